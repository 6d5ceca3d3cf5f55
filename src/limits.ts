// Every bound of the service, with its unit in its name. A queue, a batch, a cache or a wait that is
// not listed here does not exist; the checks at the end hold the bounds against each other.

export const limits = {
  // The HTTP edge.
  httpBodyBytesMax: 64 * 1024,
  // Between the two a body is refused with a JSON answer; beyond this one Bun itself refuses and hangs up.
  httpBodyBytesAnsweredMax: 1024 * 1024,
  httpInFlightRequestsMax: 4_096,
  httpInFlightBodiesMax: 1_024,
  httpIdleTimeoutSeconds: 10,

  // Names and numbers that clients send.
  usernameCharsMax: 20,
  couponNameCharsMax: 60,
  descriptionCharsMax: 60,
  couponAmountMax: 10_000_000,
  faceValueMax: 1_000_000_000,
  passwordBytesMax: 1_024,
  userIdDigitsMax: 15,
  listPageSize: 20,
  listPageMax: 10_000,

  // Templates.
  templateDescriptionCharsMax: 255,
  templateListIdsMax: 200,
  templateUserLimitMax: 10_000,
  templateTotalCountMax: 1_000_000_000,
  templateValidDaysMax: 3_660,
  // Minor units; sums of a thousand of them stay below 2^53.
  moneyMax: 1_000_000_000_000,

  // Orders whose discounts are computed; the amount in minor units.
  orderItemsMax: 100,
  orderQuantityMax: 100_000,
  orderAmountMax: 100_000_000_000,
  discountCodesMax: 20,
  discountCouponsMax: 50,

  // Sales of /v1.
  saleUserLimitMax: 100,
  saleReasonCharsMax: 200,
  saleNumbersTrustMs: 1_000,
  saleNumbersRefreshMs: 500,
  saleListPagesMax: 1_000,
  saleRateSeconds: 10,
  saleRateGrants: 1_000,
  saleHistoryShown: 100,
  saleWarmAlarmSeconds: 60,
  saleWarmPatienceSeconds: 5,

  // Server-sent events of sales.
  eventClientsMax: 5_000,
  eventSalesMax: 1_000,
  eventFullRetrySeconds: 5,
  eventLookMs: 250,
  eventGapMs: 200,
  eventRateGapMs: 1_000,
  eventHeartbeatMs: 4_000,
  eventStaleMs: 2_000,
  eventUnsentBytesMax: 16 * 1024,
  eventClientsPerSlice: 250,
  eventRetryMsMin: 1_000,
  eventRetryMsMax: 5_000,

  // Tokens and passwords.
  accessTokenSeconds: 3_600,
  clockSkewSeconds: 60,
  tokenBytesMax: 2_048,
  tokenIdCharsMax: 64,
  revokedTokensMax: 500_000,
  revocationCheckMs: 1_000,
  revocationSweepMs: 60_000,
  revocationScanCount: 1_000,
  // Longer than any statement lasts: what a transaction wrote is seen only after its end.
  endingsReadSeconds: 30,
  endingsCheckMs: 1_000,
  endingsMax: 100_000,
  sessionTokenSeconds: 900,
  sessionSeconds: 30 * 86_400,
  refreshGraceMs: 5_000,
  sessionsPurgedPerPass: 500,
  sessionPurgeMs: 60_000,
  serviceKeysMax: 1_000,
  serviceKeyTrustMs: 2_000,
  serviceKeysShownMax: 2_000,
  cliUsersShown: 50,
  passwordBytesMin: 8,
  passwordHashesAtOnce: 2,
  passwordWaitersMax: 64,
  passwordWaitMsMax: 2_000,

  // Repeated requests of /v1.
  idempotencyKeptSeconds: 86_400,
  idempotencyBusySeconds: 30,
  idempotencyPurgeMs: 60_000,
  idempotencyPurgedPerPass: 1_000,

  // Lists of /v1.
  pageItemsDefault: 20,
  pageItemsMax: 100,
  cursorCharsMax: 256,

  // Rates (RATE_LIMITS=on).
  grabsPerSecond: 5,
  grabsBurstSeconds: 4,
  grabsPerSecondMax: 1_000,
  grabBucketsMax: 131_072,
  rateWindowSeconds: 60,
  rateRetryStepSeconds: 10,
  loginsPerNamePerWindow: 20,
  loginsPerAddressPerWindow: 300,
  registrationsPerNamePerWindow: 20,
  registrationsPerAddressPerWindow: 300,

  // The grab queue: attempts of one sale travel together (group commit).
  grabCallAttemptsMax: 128,
  grabCallsInFlightMax: 1,
  grabWaitingAttemptsMax: 4_096,
  grabWaitMsMax: 200,
  soldOutWinnersMax: 50_000,
  soldOutWinnersTotalMax: 500_000,
  soldOutTrustMs: 1_000,
  soldOutRefreshMs: 500,

  // The ledger, from the stream to MySQL.
  shards: 16,
  backlogGrantsMax: 2_000_000,
  batchGrantsMax: 1_000,
  codeSecretKeptDays: 1,
  codeKeySalesPerUpdate: 500,
  batchDelayMs: 20,
  // UTF-16 units, each at most three bytes of the 65,535 that MySQL's TEXT holds.
  deadLetterUnitsMax: 21_000,
  streamReadEntriesMax: 256,
  streamBlockMs: 1_000,
  leaseSeconds: 5,
  leaseRenewMs: 1_000,
  mainSilenceMsMax: 4_000,
  retryDelayMsMin: 50,
  retryDelayMsMax: 2_000,
  lockHolderPatienceSeconds: 1,
  recoveriesAtOnce: 4,
  recoveriesTold: 5,
  recoveryChunkRows: 5_000,
  rebuildWinnersPerCommand: 500,
  wildToldMax: 5,
  recoveryPageSales: 200,
  recoveryWatchMs: 200,
  recoveryStatementMs: 60_000,
  warmPassMs: 1_000,
  outboxPassMs: 1_000,
  outboxPatienceSeconds: 2,
  outboxPerPass: 100,
  changeRoundsMax: 5,
  warmSalesPerPass: 500,
  witnessGrantsMax: 50_000,
  witnessRepeatsMax: 10_000,
  witnessGoneSeconds: 600,
  workerRestartDelayMsMin: 100,
  workerRestartDelayMsMax: 5_000,

  // The audit, and the commands of operators.
  auditSalesPerCut: 200,
  auditRowsPerPage: 5_000,
  winnersPerPage: 1_000,
  auditGroupsMax: 2_048,
  auditSuspectsMax: 10_000,
  auditInspectedAtOnce: 500,
  auditNumbersNamed: 10,
  auditSecondLookMs: 1_500,
  auditGateWaitMs: 8_000,
  auditGateLookMs: 500,
  auditPagesPerCollection: 4,
  auditQuietMs: 1_000,
  auditProgressMs: 100,
  auditLiveMs: 10_000,
  auditLiveSalesKept: 20_000,
  auditLiveSalesPerRound: 2_000,
  auditLiveNewNumbersPerRound: 20_000,
  auditLiveOldNumbersPerRound: 10_000,
  auditLiveSlice: 5_000,
  auditLiveSmallest: 200,
  auditLiveFindingsTold: 20,
  auditRoundsMax: 3,
  auditDeadLettersMax: 10_000,
  auditMiscountsMax: 100,
  auditStatementMs: 60_000,
  cliPoolConnections: 2,

  // Redis and MySQL clients.
  redisCommandTimeoutMs: 1_000,
  redisConnectTimeoutMs: 2_000,
  redisReconnectDelayMsMax: 500,
  redisSettingsCheckMs: 60_000,
  gateCheckMs: 1_000,
  mysqlConnectTimeoutMs: 2_000,
  mysqlQueryTimeoutMs: 5_000,
  mysqlPoolConnections: 8,
  ledgerPoolConnections: 4,
  mysqlPoolWaitersMax: 64,
  migrationLockSeconds: 60,
  migrationStatementMs: 600_000,

  // Cached reads.
  cacheUsersMax: 100_000,
  cacheSalesMax: 50_000,
  cacheSellerPagesMax: 5_000,
  cacheSellerPageSeconds: 10,
  cacheTemplatesMax: 50_000,
  cacheBytesMax: 32 * 1024 * 1024,
  cacheMemorySeconds: 60,
  // How long a loader's lease in Redis stands; longer than a query may take.
  cacheLeaseSeconds: 10,
  // How long a value in Redis is as good as MySQL's, how long it is there for a time without MySQL, how long MySQL
  // is waited for then, and how long such a value is in memory.
  cacheSharedSeconds: 60,
  cacheStaleSeconds: 3_600,
  cacheStaleWaitMs: 200,
  cacheStaleMemoryMs: 1_000,
  // How long memory is believed after the last proof that no change was missed, and how long without any.
  cacheTrustMs: 3_000,
  cacheBlindMs: 500,
  cacheCheckMs: 500,
  cacheMarkMs: 1_000,
  cacheOwedMax: 1_000,
  cacheWarmSalesMax: 1_000,
  cacheWarmAtOnce: 8,
  cacheWarmAheadSeconds: 3_600,

  // Change capture: what is read in MySQL's binlog for the caches.
  captureRowsMax: 10_000,
  captureSettleRows: 500,
  captureSettleMs: 50,
  // How long a locked row is waited for at a time.
  captureSettleSeconds: 1,
  captureSaveMs: 1_000,
  captureElectMs: 500,
  // A process that says nothing for so long is no reader any more.
  captureSilenceSeconds: 3,
  captureRetryMsMin: 100,
  captureRetryMsMax: 2_000,
  captureUnreadableRetryMs: 60_000,
  captureStopMs: 2_000,
  captureReportMs: 1_000,
  cacheUnknownSeconds: 1,
  cacheRedisSeconds: 3_600,
  cacheLoadsAtOnce: 32,
  counterSalesPerReadMax: 500,
  counterReadsAtOnce: 1,
  groupReadWaitersMax: 1_024,
  storedListsPerReadMax: 8,
  walletUsersPerReadMax: 32,
  walletReadsAtOnce: 2,

  // Coupons.
  couponsPerOrderMax: 5,
  couponCodeCharsTypedMax: 64,
  couponLockSecondsMax: 900,
  couponChangesAtOnce: 4,
  couponChangesWaitingMax: 512,
  couponChangeWaitMsMax: 5_000,
  couponAttemptsMax: 10,
  couponRetriesMax: 5,
  couponRetryDelayMs: 5,
  couponSweepMs: 1_000,
  couponSweepBatch: 200,

  // The embedded servers of `npm start` and the tests.
  serverProbeMs: 1_000,
  serverProbePauseMs: 10,
  serverReadyMsMax: 600_000,
  serverSlowMs: 5_000,
  serverStopMsMax: 60_000,
  serverLeaveMsMax: 10_000,
  serverRestartDelayMsMin: 100,
  serverRestartDelayMsMax: 10_000,
  serverSteadyMs: 30_000,
  serverLogBytesMax: 4 * 1024 * 1024,
  serverLogTailLines: 12,
  socketPathBytesMax: 103,

  // Health.
  lagDegradedMs: 5_000,
  ledgerReportAgeMsMax: 5_000,
  serversRetryMs: 250,

  // What `doorbuster doctor` asks for, and from where on it warns.
  doctorPings: 20,
  doctorPingSlowMs: 5,
  doctorClockReadings: 3,
  doctorClockDifferenceMs: 500,
  doctorBacklogGrants: 10_000,
  doctorColdSaleSeconds: 10,
  doctorSalesNamedMax: 5,

  // Stopping.
  stopReadyGraceMs: 1_000,
  stopRequestsMs: 8_000,
  stopDrainMs: 11_000,
  stopDrainGraceMs: 1_000,
  metricsWaitMs: 1_000,

  // Traces, where a collector is named.
  tracesSpansWaitingMax: 8_192,
  tracesSpansPerBatch: 512,
  tracesDelayMs: 1_000,
  tracesSendMs: 5_000,
  tracesStopMs: 2_000,

  // The log.
  logCharsWaitingMax: 1024 * 1024,
} as const;

/** Throws when two bounds contradict each other; called once at start. */
export function assertLimits(): void {
  const must = (ok: boolean, what: string) => {
    if (!ok) throw new Error(`limits.ts: ${what}`);
  };
  must(limits.grabWaitingAttemptsMax >= limits.grabCallAttemptsMax, "the queue must hold one call");
  must(limits.batchGrantsMax >= limits.grabCallAttemptsMax, "a batch must hold one ledger entry");
  must(limits.leaseRenewMs * 3 < limits.leaseSeconds * 1_000, "a lease must outlive two renewals");
  must(
    limits.redisCommandTimeoutMs < limits.httpIdleTimeoutSeconds * 1_000,
    "answers precede resets",
  );
  must(
    limits.stopReadyGraceMs + limits.stopRequestsMs + limits.stopDrainMs + limits.stopDrainGraceMs <
      24_000,
    "a stop must end within 25 s",
  );
  must(
    limits.soldOutRefreshMs < limits.soldOutTrustMs,
    "a snapshot is refreshed before it expires",
  );
  must(
    limits.orderAmountMax * 10_000 * (limits.couponsPerOrderMax + 1) < 2 ** 53,
    "bounds of a combination, in ten-thousandths, must be whole numbers",
  );
  must(limits.counterSalesPerReadMax >= limits.listPageSize, "a read must hold one page");
  must(
    limits.cacheLeaseSeconds * 1_000 > limits.mysqlQueryTimeoutMs,
    "a lease must outlive a load",
  );
  must(
    limits.cacheCheckMs + limits.cacheMarkMs < limits.cacheTrustMs,
    "memory is proved before its trust ends",
  );
  must(
    limits.eventHeartbeatMs + 2 * limits.eventLookMs < 5_000,
    "who watches a sale hears something every 5 s",
  );
  must(
    limits.groupReadWaitersMax * 2 + limits.httpInFlightBodiesMax < limits.httpInFlightRequestsMax,
    "reads and bodies that wait must leave room for grabs",
  );
}

// Bounds of what clients ask for, from the edge to the answers.

export const apiLimits = {
  // The HTTP edge.
  httpBodyBytesMax: 64 * 1024,
  // Between the two a body is refused with a JSON answer; beyond this one Bun itself refuses and hangs up.
  httpBodyBytesAnsweredMax: 1024 * 1024,
  httpInFlightRequestsMax: 4_096,
  httpInFlightBodiesMax: 1_024,
  httpIdleTimeoutSeconds: 10,
  // Of one request: 64 KiB of body can be wrong in ten thousand places.
  wrongFieldsListedMax: 100,

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
  discountPilesMax: 100,
  discountReasonIdsMax: 10,
  // Items looked at in the search for the best combination: some 10 ms.
  discountSearchItemsMax: 1_000_000,

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
  couponRepairNumbersPerBatch: 2_000,
  couponRepairSalesPerPage: 200,

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
  sessionsPurgedPerBatch: 500,
  sessionPurgeMs: 60_000,
  serviceKeysMax: 1_000,
  serviceKeyTrustMs: 2_000,
  serviceKeysShownMax: 2_000,
  cliUsersShown: 50,
  passwordCharsMin: 8,
  passwordHashesAtOnce: 2,
  passwordWaitersMax: 64,
  passwordWaitMsMax: 2_000,

  // Repeated requests of /v1.
  idempotencyKeptSeconds: 86_400,
  idempotencyBusySeconds: 30,
  idempotencyPurgeMs: 60_000,
  idempotencyPurgedPerBatch: 1_000,

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
  soldOutUnfitSalesMax: 1_000,
  soldOutTrustMs: 1_000,
  soldOutRefreshMs: 500,

  // Cached reads.
  cacheUsersMax: 100_000,
  cacheSalesMax: 50_000,
  cacheSellerPagesMax: 5_000,
  cacheSellerPageSeconds: 10,
  cacheSellerVersionSeconds: 3_600,
  cacheTemplatesMax: 50_000,
  cacheBytesMax: 32 * 1024 * 1024,
  cacheMemorySeconds: 60,
  // How long it is believed that there is no such thing, and of how many of each kind memory knows it.
  cacheUnknownSeconds: 1,
  cacheUnknownMax: 10_000,
  // Of each kind. What waits is several pages of things; how long, and then a query, is less than a lease stands.
  cacheLoadsAtOnce: 16,
  cacheLoadsWaitingMax: 1_000,
  cacheLoadWaitMsMax: 4_000,
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
} as const;

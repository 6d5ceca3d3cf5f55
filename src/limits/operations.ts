// Bounds of starting, watching and stopping.

export const operationsLimits = {
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
  stopFinisherMs: 2_000,
  stopDrainMs: 11_000,
  stopDrainGraceMs: 1_000,
  stopClientsMs: 2_000,
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

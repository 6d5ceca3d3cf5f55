import { Counter, Gauge, Histogram, Registry } from "prom-client";

/** The figures that the ledger's thread keeps; their names differ from those of the main thread. */
export function createLedgerMetrics() {
  const registry = new Registry();
  const registers = [registry];
  return {
    registry,
    ...auditMetrics(registers),
    rows: new Counter({
      name: "doorbuster_ledger_rows_total",
      help: "Grants written into MySQL.",
      registers,
    }),
    deadLetters: new Counter({
      name: "doorbuster_ledger_dead_letters_total",
      help: "Ledger entries that MySQL refused for good.",
      registers,
    }),
    batchRows: new Histogram({
      name: "doorbuster_ledger_batch_rows",
      help: "Grants in one transaction.",
      buckets: [1, 10, 50, 100, 250, 500, 1_000],
      registers,
    }),
    batchSeconds: new Histogram({
      name: "doorbuster_ledger_batch_seconds",
      help: "Duration of one transaction.",
      buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
      registers,
    }),
    retries: new Counter({
      name: "doorbuster_ledger_retries_total",
      help: "Batches that had to be tried again.",
      registers,
    }),
    backlog: new Gauge({
      name: "doorbuster_ledger_backlog_grants",
      help: "Grants in Redis that MySQL does not have yet, on all shards, so alike on all processes; NaN while Redis is away.",
      registers,
    }),
    lag: new Gauge({
      name: "doorbuster_ledger_lag_seconds",
      help: "Age of the oldest ledger entry that is read and not yet written.",
      registers,
    }),
    leases: new Gauge({
      name: "doorbuster_ledger_leases",
      help: "Shards that this process writes.",
      registers,
    }),
    recoveries: new Counter({
      name: "doorbuster_ledger_recoveries_total",
      help: "Recoveries of a shard led by this process.",
      registers,
    }),
    voids: new Counter({
      name: "doorbuster_ledger_void_numbers_total",
      help: "Grant numbers that a recovery could not account for.",
      registers,
    }),
  };
}

function auditMetrics(registers: Registry[]) {
  return {
    deadLettersKept: new Gauge({
      name: "doorbuster_ledger_dead_letters",
      help: "Dead letters in MySQL, whoever wrote them.",
      registers,
    }),
    voidNumbers: new Gauge({
      name: "doorbuster_ledger_void_numbers",
      help: "Void numbers of all recoveries, by MySQL.",
      registers,
    }),
    auditRounds: new Counter({
      name: "doorbuster_audit_rounds_total",
      help: "Rounds of the audit over the shards that this process writes.",
      registers,
    }),
    auditNumbers: new Counter({
      name: "doorbuster_audit_numbers_total",
      help: "Grant numbers that these rounds have looked at.",
      registers,
    }),
    auditFindings: new Gauge({
      name: "doorbuster_audit_findings",
      help: "What the last round has found.",
      registers,
    }),
    auditPauses: new Counter({
      name: "doorbuster_audit_pauses_total",
      help: "Sales that were paused because of a finding.",
      registers,
    }),
  };
}

export type LedgerMetrics = ReturnType<typeof createLedgerMetrics>;

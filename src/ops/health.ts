// How the service is, in one word for a load balancer and in detail for the operations port.

import type { CaptureStatus } from "../cache/capture.ts";
import type { Config } from "../config.ts";
import type { Gates } from "../grab/gates.ts";
import type { LedgerHandle } from "../ledger/handle.ts";
import { limits } from "../limits.ts";
import type { Redis } from "../redis/client.ts";
import { allShards } from "../redis/keys.ts";

/** starting and stopping answer 503; degraded still serves, because the other processes are no better off. */
export type Readiness = "starting" | "ok" | "degraded" | "stopping";

export interface Health {
  ready(): Readiness;
  /** For the operations port only: it names servers and settings. */
  details(): Record<string, unknown>;
  /** All gates have been open once. */
  hasOpened(): void;
  isStopping(): void;
}

export interface HealthDeps {
  readonly config: Config;
  readonly gates: Gates;
  readonly redis: Redis;
  ledger(): LedgerHandle | undefined;
  grabsWaiting(): number;
  salesNotWarm(): readonly number[];
  capture(): CaptureStatus;
}

export function createHealth(deps: HealthDeps): Health {
  const { config, gates, redis, ledger, grabsWaiting, salesNotWarm } = deps;
  let phase: "starting" | "serving" | "stopping" = "starting";

  /** Everything that is not as it should be, one sentence each. */
  function complaints(): string[] {
    const found: string[] = [];
    const status = ledger()?.status();
    if (redis.status !== "ready") found.push(`redis is ${redis.status}`);
    for (const shard of allShards)
      if (!gates.at(shard)) found.push(`the gate of shard ${shard} is closed`);
    for (const saleId of salesNotWarm())
      found.push(`sale ${saleId} opens soon and is not in Redis`);
    if (!status) found.push("the ledger thread does not report");
    else {
      if (status.mysql !== "ok") found.push(`mysql: ${status.mysql}`);
      if (status.shards.some((shard) => shard.lagMs > limits.lagDegradedMs))
        found.push("persistence is behind");
      // While a server is away, that is the complaint.
      if (status.auditBlind && status.mysql === "ok" && redis.status === "ready")
        found.push("the audit cannot look");
      const letters = status.history?.deadLetters ?? 0;
      if (letters > 0) found.push(`dead letters: ${letters}`);
      for (const { saleId, kind, text } of status.audit?.findings ?? [])
        found.push(`sale ${saleId}: ${kind}: ${text}`);
    }
    return found;
  }

  return {
    ready() {
      if (phase !== "serving") return phase;
      return complaints().length === 0 ? "ok" : "degraded";
    },
    details() {
      const status = ledger()?.status();
      return {
        status: this.ready(),
        complaints: complaints(),
        durability: config.durability,
        redis: { connection: redis.status, grabsWaiting: grabsWaiting() },
        mysql: status?.mysql ?? "unknown",
        capture: deps.capture(),
        worker: {
          state: status ? "running" : "away",
          restarts: ledger()?.restarts() ?? 0,
          livingProcesses: status?.livingProcesses ?? 0,
        },
        backlogGrants: status?.backlogGrants ?? null,
        lagMs: status ? Math.max(...status.shards.map((shard) => shard.lagMs)) : null,
        audit: status?.audit ?? null,
        recoveries: status?.history?.recoveries ?? [],
        voids: status?.history?.voids ?? null,
        deadLetters: status?.history?.deadLetters ?? null,
        shards: allShards.map((shard) => {
          const gate = gates.at(shard);
          const report = status?.shards[shard];
          return {
            shard,
            gate: gate ? "open" : "closed",
            closedBecause: gate ? null : (report?.closed ?? "not looked at yet"),
            epoch: gate?.epoch ?? null,
            script: gate?.scripts.grab.sha ?? null,
            leaseHeld: report?.owned ?? false,
            backlogGrants: report?.backlogGrants ?? null,
          };
        }),
      };
    },
    hasOpened() {
      if (phase === "starting") phase = "serving";
    },
    isStopping() {
      phase = "stopping";
    },
  };
}

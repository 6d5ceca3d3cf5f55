// The messages between the main thread and the ledger's thread, and nothing else.

import type { Finding } from "../audit/finding.ts";
import type { Durability } from "../config.ts";
import type { LedgerGrant } from "./entry.ts";
import type { LedgerHistory } from "./history.ts";

/** What the thread needs of the settings. */
export interface LedgerSettings {
  readonly redisUrl: string;
  readonly databaseUrl: string;
  readonly durability: Durability;
  readonly ledgerKeepMs: number;
  readonly codeSecrets: readonly string[];
  readonly logLevel: string;
  /** Names this process in leases and heartbeats. */
  readonly processId: string;
  /** How often the sales that sell are audited; `auditLiveMs` where it is not said. */
  readonly auditMs?: number;
}

/** A grant that this process has confirmed to a user; without the epoch, which recovery gives anew. */
export type WitnessedGrant = Omit<LedgerGrant, "epoch">;

export type ToWorker =
  | { type: "start"; settings: LedgerSettings }
  /** A gate is closed on this process: adopt what another process has opened, or recover. */
  | { type: "open"; shard: number; reason: string }
  /** Redis did not have a sale that MySQL knows; asked under `epoch`. */
  | { type: "missing"; saleId: number; epoch: number }
  | { type: "witnessed"; request: number; grants: WitnessedGrant[] }
  | { type: "metrics"; request: number }
  /** The main thread is alive; sent every second. */
  | { type: "alive" }
  | { type: "drain" };

export type FromWorker =
  | { type: "gate"; shard: number; epoch: number; incarnation: string }
  /** Gates of this epoch and of earlier ones must not be used any more. */
  | { type: "close"; shard: number; epoch: number }
  /** The epoch of each shard in MySQL: gates of earlier ones are over, also where Redis believes in them. */
  | { type: "epochs"; epochs: number[] }
  /** A recovery has begun `epoch`: what has this process confirmed until now? */
  | { type: "witness"; request: number; shard: number; epoch: number }
  | { type: "status"; status: LedgerStatus }
  | { type: "metrics"; request: number; text: string }
  | { type: "drained" };

export interface ShardStatus {
  readonly shard: number;
  /** True while this process holds the lease and writes. */
  readonly owned: boolean;
  /** Why the gate is not open on this process, or null. */
  readonly closed: string | null;
  /** Grants in Redis that MySQL does not have yet, whoever writes the shard; null while Redis does not tell. */
  readonly backlogGrants: number | null;
  /** Age of the oldest entry that is read and not yet written. */
  readonly lagMs: number;
}

/** What the audit of the shards that this process writes has found. */
export interface AuditStatus {
  /** When it last looked. */
  readonly at: string;
  /** All findings; `findings` are the first few of them. */
  readonly count: number;
  readonly findings: readonly Finding[];
}

/** How the ledger's thread is doing; sent every second. */
export interface LedgerStatus {
  /** "ok", or what is wrong. */
  readonly mysql: string;
  readonly redis: string;
  readonly livingProcesses: number;
  /** Of all shards together. */
  readonly backlogGrants: number | null;
  readonly shards: ShardStatus[];
  /** Undefined until it has looked once; so is the history. */
  readonly audit: AuditStatus | undefined;
  /** Every round of the audit has failed for longer than three intervals. */
  readonly auditBlind: boolean;
  readonly history: LedgerHistory | undefined;
}

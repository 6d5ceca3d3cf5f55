import type { DatabaseConnection, Transaction } from "../db/client.ts";
import type { LedgerContext } from "../ledger/context.ts";

/** Another leader has begun a later epoch. */
export class Superseded extends Error {}

/** What a recovery works with. */
export interface Recovery {
  readonly context: LedgerContext;
  readonly connection: DatabaseConnection;
  readonly shard: number;
  readonly epoch: number;
  /**
   * Does work in one transaction that holds the shard's row and keeps the lease. Throws `Superseded` before
   * any of it when another leader has taken over: a leader that was stopped for a while writes nothing.
   */
  write<Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result>;
  /** Keeps the lease; throws `Superseded` when another leader has taken over. */
  renew(): Promise<void>;
  /** Runs one of recovery's own scripts; throws `Superseded` when it finds another epoch at the gate. */
  run(source: string, keys: string[], args: (string | number)[]): Promise<string>;
}

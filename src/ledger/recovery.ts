import type { DatabaseConnection } from "../db/client.ts";
import type { LedgerContext } from "./context.ts";

/** What a recovery works with. */
export interface Recovery {
  readonly context: LedgerContext;
  readonly connection: DatabaseConnection;
  readonly shard: number;
  readonly epoch: number;
  /** Keeps the lease; throws when another leader has taken over. */
  renew(): Promise<void>;
  /** Runs one of recovery's own scripts. */
  swap(keys: string[], args: (string | number)[]): Promise<void>;
}

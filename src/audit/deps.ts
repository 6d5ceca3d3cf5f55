import type { DatabasePool } from "../db/client.ts";
import type { Redis } from "../redis/client.ts";

/** What the audit works with. */
export interface AuditDeps {
  readonly redis: Redis;
  readonly pool: DatabasePool;
  /** Told what is being read, often. */
  readonly progress?: (text: string) => void;
}

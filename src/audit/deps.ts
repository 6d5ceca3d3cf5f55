import type { CouponCodes } from "../coupons/code.ts";
import type { DatabasePool } from "../db/client.ts";
import type { Redis } from "../redis/client.ts";

/** What the audit works with. */
export interface AuditDeps {
  readonly redis: Redis;
  readonly pool: DatabasePool;
  /** Absent where the secrets are not known: then codes are not compared. */
  readonly codes?: CouponCodes | undefined;
  /** Told what is being read, often. */
  readonly progress?: (text: string) => void;
}

// Which of a shard's sales need a merge: a comparison of Redis's counters and the size of its winners hash with
// MySQL, after the stream has been drained. It costs two commands and the last row per sale, so a false alarm is
// short.

import type { Database } from "../db/client.ts";
import { lastNumbers } from "../ledger/rows.ts";
import type { Redis } from "../redis/client.ts";
import { saleKeys } from "../redis/keys.ts";
import { imagesOf, type SaleRow, type StoredSale, saleFields } from "../sales/stored.ts";

/** A counter as Redis has it; undefined when it is not a whole number. */
const wholeNumber = (text: string | null | undefined): number | undefined =>
  text != null && /^\d{1,15}$/.test(text) ? Number(text) : undefined;

/** True when a key holds something of another type: nothing of ours, and nothing that could be read. */
export const isWrongType = (error: unknown): boolean =>
  error instanceof Error && error.message.startsWith("WRONGTYPE");

/** The sales of this page that Redis does not have, or has otherwise than MySQL. Throws the servers' errors. */
export async function damagedOf(
  redis: Redis,
  db: Database,
  page: readonly StoredSale[],
): Promise<StoredSale[]> {
  const lastRows = await lastNumbers(
    db,
    page.map(({ id }) => id),
  );
  const pipeline = redis.pipeline();
  for (const { id } of page) {
    pipeline.hgetall(saleKeys(id).sale);
    pipeline.hlen(saleKeys(id).winners);
  }
  const replies = ((await pipeline.exec()) ?? []).map(([error, reply]) => {
    if (error && !isWrongType(error)) throw error;
    return error ? undefined : reply;
  });
  return page.filter((sale, i) => {
    const found = replies[2 * i] as Record<string, string> | undefined;
    const winners = replies[2 * i + 1] as number | undefined;
    const active = sale.granted - sale.returned;
    return !(
      found !== undefined &&
      winners !== undefined &&
      imagesOf(sale).some((image) => hasFieldsOf(found, image)) &&
      // A leader that died before or in its merge leaves rows behind that no counter knows yet.
      (lastRows.get(sale.id) ?? 0) <= sale.granted &&
      // A winner holds one grant at least, and as many as the limit allows at most.
      winners <= active &&
      winners * sale.userLimit >= active
    );
  });
}

/** True when a sale's hash is what MySQL says, all of it; of `recorded` Redis may not have heard yet. */
function hasFieldsOf(found: Record<string, string>, sale: SaleRow): boolean {
  const { recorded, ...rest } = found;
  const wanted = saleFields(sale);
  for (let i = 0; i < wanted.length; i += 2) {
    const [name, value] = [String(wanted[i]), String(wanted[i + 1])];
    if (name !== "recorded" && rest[name] !== value) return false;
    delete rest[name];
  }
  return Object.keys(rest).length === 0 && (wholeNumber(recorded) ?? Number.NaN) <= sale.granted;
}

/** What a sale says of itself in Redis. */
export interface Counted {
  /** Its count of grants, 0 when there is none. */
  readonly granted: number;
  /** The greatest number that it can have granted. */
  readonly possible: number;
  /** The last change that it has; undefined when there is none. */
  readonly change: string | undefined;
}

/** Reads a sale's own counters; what is no whole number counts as absent. */
export async function countedInRedis(redis: Redis, sale: SaleRow): Promise<Counted> {
  const [change, ...counters] = await redis
    .hmget(saleKeys(sale.id).sale, "change", "granted", "returned")
    .catch((error: unknown) => {
      if (isWrongType(error)) return [];
      throw error;
    });
  const [granted = 0, returned = 0] = counters.map(wholeNumber);
  const possible = sale.total + Math.max(returned, sale.returned);
  return { granted, possible, change: change ?? undefined };
}

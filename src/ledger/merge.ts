// Comparing a shard's sales in Redis with MySQL, and bringing together what each still knows.
//
// Nothing is ever lowered: `granted` is the greatest number that Redis, MySQL or a witness has seen, and the
// winners are the union of all three. MySQL's row decides where two claim one number. A number up to `granted`
// that nobody can account for becomes a void row: burned, counted as returned, and reported, because somebody
// may have been told that it is theirs.

import { and, asc, count, eq, gt, inArray, isNotNull, max, ne, sql } from "drizzle-orm";
import { isDataError, reasonOf } from "../db/errors.ts";
import { limits } from "../limits.ts";
import { rebuildKey, saleKeys } from "../redis/keys.ts";
import { sales } from "../sales/table.ts";
import { type SaleRow, saleFields } from "../sales/warm.ts";
import type { WitnessedGrant } from "./protocol.ts";
import { rebuildWinners } from "./rebuild.ts";
import type { Recovery } from "./recovery.ts";
import { deadLetters, grants } from "./table.ts";

export interface Merged {
  salesRebuilt: number;
  grantsRestored: number;
  voids: number;
}

/** Merges and rebuilds every warmed sale of the shard that does not agree; leaves the others alone. */
export async function mergeDamagedSales(
  recovery: Recovery,
  witnessed: Map<number, WitnessedGrant[]>,
): Promise<Merged> {
  const merged: Merged = { salesRebuilt: 0, grantsRestored: 0, voids: 0 };
  const { db } = recovery.connection;
  let after = 0;
  for (;;) {
    const page = await db
      .select()
      .from(sales)
      .where(
        and(
          sql`${sales.id} % ${limits.shards} = ${recovery.shard}`,
          isNotNull(sales.warmedAt),
          gt(sales.id, after),
        ),
      )
      .orderBy(asc(sales.id))
      .limit(limits.recoveryPageSales);
    for (const sale of await damagedOf(recovery, page, witnessed)) {
      await mergeSale(recovery, sale, witnessed.get(sale.id) ?? [], merged);
    }
    const last = page.at(-1);
    if (!last) return merged;
    after = last.id;
    await recovery.renew();
  }
}

/** A counter as Redis has it; undefined when it is not a whole number. */
const wholeNumber = (text: string | null): number | undefined =>
  text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined;

async function damagedOf(
  { context }: Recovery,
  page: SaleRow[],
  witnessed: Map<number, WitnessedGrant[]>,
): Promise<SaleRow[]> {
  const pipeline = context.redis.pipeline();
  for (const { id } of page) {
    pipeline.hmget(
      saleKeys(id).sale,
      ...["state", "granted", "returned", "total", "limit", "recorded"],
    );
    pipeline.hlen(saleKeys(id).winners);
  }
  const replies = ((await pipeline.exec()) ?? []).map(([error, reply]) => {
    if (error) throw error;
    return reply;
  });
  return page.filter((sale, i) => {
    const [state, ...numbers] = replies[2 * i] as (string | null)[];
    const [granted, returned, total, limit, recorded] = numbers.map(wholeNumber);
    const winners = replies[2 * i + 1] as number;
    const active = sale.granted - sale.returned;
    const agrees =
      state !== null &&
      granted === sale.granted &&
      returned === sale.returned &&
      total === sale.total &&
      limit === sale.userLimit &&
      (recorded ?? Number.NaN) <= sale.granted &&
      // A winner holds one grant at least, and as many as the limit allows at most.
      winners <= active &&
      winners * sale.userLimit >= active;
    return !agrees || (witnessed.get(sale.id) ?? []).some((grant) => grant.grantNo > sale.granted);
  });
}

async function mergeSale(
  recovery: Recovery,
  sale: SaleRow,
  seen: WitnessedGrant[],
  merged: Merged,
): Promise<void> {
  let highest = Math.max(await countedInRedis(recovery, sale), sale.granted);
  for (const grant of seen) highest = Math.max(highest, grant.grantNo);
  for await (const chunk of winnersInRedis(recovery, sale.id)) {
    for (const grant of chunk) highest = Math.max(highest, grant.grantNo);
    merged.grantsRestored += await insertMissing(recovery, sale, chunk);
  }
  for (let at = 0; at < seen.length; at += limits.batchGrantsMax) {
    merged.grantsRestored += await insertMissing(
      recovery,
      sale,
      seen.slice(at, at + limits.batchGrantsMax),
    );
  }
  const { db } = recovery.connection;
  const [rows] = await db
    .select({ last: max(grants.grantNo) })
    .from(grants)
    .where(eq(grants.saleId, sale.id));
  const granted = Math.max(highest, rows?.last ?? 0);
  merged.voids += await voidUnknown(recovery, sale.id, granted);
  const [back] = await db
    .select({ rows: count() })
    .from(grants)
    .where(and(eq(grants.saleId, sale.id), ne(grants.state, "granted")));
  const returned = Math.max(sale.returned, back?.rows ?? 0);
  // The CHECK refuses more active grants than the total; then the gate stays closed, and the log says why.
  await db.update(sales).set({ granted, returned }).where(eq(sales.id, sale.id));
  await rebuildWinners(recovery, sale);
  const keys = saleKeys(sale.id);
  await recovery.swap(
    [keys.gate, keys.sale, keys.winners, rebuildKey(sale.id, recovery.epoch)],
    saleFields({ ...sale, granted, returned }),
  );
  merged.salesRebuilt += 1;
}

/**
 * The sale's own count of its grants, 0 when Redis has none. Throws when it is more than the sale can have
 * granted: numbers up to it would become void, and no count is better than a wrong one.
 */
async function countedInRedis({ context }: Recovery, sale: SaleRow): Promise<number> {
  const counters = await context.redis.hmget(saleKeys(sale.id).sale, "granted", "returned");
  const [granted = 0, returned = 0] = counters.map(wholeNumber);
  if (granted > sale.total + Math.max(returned, sale.returned)) {
    throw new Error(`sale ${sale.id} counts ${granted} grants in redis, more than it can have`);
  }
  return granted;
}

/** All that a sale's winners hash says, in chunks; the time of those grants is not known any more. */
async function* winnersInRedis(
  { context }: Recovery,
  saleId: number,
): AsyncGenerator<WitnessedGrant[]> {
  const grantedAt = new Date();
  let cursor = "0";
  do {
    const [next, pairs] = await context.redis.hscan(
      saleKeys(saleId).winners,
      cursor,
      "COUNT",
      limits.batchGrantsMax,
    );
    cursor = next;
    const chunk: WitnessedGrant[] = [];
    for (let i = 0; i < pairs.length; i += 2) {
      for (const [index, part] of (pairs[i + 1] ?? "").split(",").entries()) {
        const [number, keyHash] = part.split(":");
        if (!number) continue;
        const userId = Number(pairs[i]);
        chunk.push({
          saleId,
          grantNo: Number(number),
          userId,
          userSlot: index + 1,
          keyHash: keyHash || null,
          grantedAt,
        });
      }
    }
    yield chunk;
  } while (cursor !== "0");
}

/** Inserts those grants whose number MySQL does not have. Returns how many. */
async function insertMissing(
  recovery: Recovery,
  sale: SaleRow,
  chunk: WitnessedGrant[],
): Promise<number> {
  if (chunk.length === 0) return 0;
  await recovery.renew();
  const { db } = recovery.connection;
  const numbers = chunk.map((grant) => grant.grantNo);
  const present = await db
    .select({ grantNo: grants.grantNo, userId: grants.userId })
    .from(grants)
    .where(and(eq(grants.saleId, sale.id), inArray(grants.grantNo, numbers)));
  const owners = new Map(present.map((row) => [row.grantNo, row.userId]));
  let restored = 0;
  for (const grant of chunk) {
    const owner = owners.get(grant.grantNo);
    if (owner === grant.userId) continue;
    if (owner !== undefined) {
      await reportConflict(recovery, grant, `the number belongs to user ${owner}`);
      continue;
    }
    owners.set(grant.grantNo, grant.userId);
    const { saleId, grantNo, userId, userSlot, keyHash, grantedAt } = grant;
    try {
      await db
        .insert(grants)
        .values({ saleId, grantNo, userId, userSlot, keyHash, grantedAt, epoch: recovery.epoch });
      restored += 1;
    } catch (error) {
      if (!isDataError(error)) throw error;
      await reportConflict(recovery, grant, reasonOf(error));
    }
  }
  return restored;
}

/** MySQL's row stands, for the number and for the user; the other claim stays visible. */
async function reportConflict(
  { connection, shard, epoch }: Recovery,
  grant: WitnessedGrant,
  reason: string,
) {
  await connection.db
    .insert(deadLetters)
    .values({
      ...{ shard, entryId: `recovery-${epoch}`, saleId: grant.saleId, grantNo: grant.grantNo },
      ...{ reason: reason.slice(0, 255), payload: JSON.stringify(grant) },
    })
    .onDuplicateKeyUpdate({ set: { shard } });
}

/** Fills every gap up to `granted` with a void row. Returns how many there were. */
async function voidUnknown(recovery: Recovery, saleId: number, granted: number): Promise<number> {
  const { db } = recovery.connection;
  let expected = 1;
  let voids = 0;
  while (expected <= granted) {
    const rows = await db
      .select({ grantNo: grants.grantNo })
      .from(grants)
      .where(and(eq(grants.saleId, saleId), sql`${grants.grantNo} >= ${expected}`))
      .orderBy(asc(grants.grantNo))
      .limit(limits.recoveryChunkRows);
    const until =
      rows.length < limits.recoveryChunkRows ? granted : (rows.at(-1)?.grantNo ?? granted);
    const present = new Set(rows.map((row) => row.grantNo));
    const gaps: number[] = [];
    for (let number = expected; number <= until; number += 1)
      if (!present.has(number)) gaps.push(number);
    for (let at = 0; at < gaps.length; at += limits.batchGrantsMax) {
      await insertVoids(recovery, saleId, gaps.slice(at, at + limits.batchGrantsMax));
    }
    voids += gaps.length;
    expected = until + 1;
    await recovery.renew();
  }
  return voids;
}

async function insertVoids(
  { connection, epoch, context }: Recovery,
  saleId: number,
  numbers: number[],
) {
  const now = new Date();
  await connection.db.insert(grants).values(
    numbers.map((grantNo) => ({
      ...{ saleId, grantNo, userId: 0, userSlot: null, epoch },
      ...{ grantedAt: now, returnedAt: now, state: "void" },
    })),
  );
  context.log.error(
    { saleId, first: numbers[0], last: numbers.at(-1), count: numbers.length },
    "numbers are void",
  );
}

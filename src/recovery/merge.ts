// Bringing together what each still knows of a shard's sales: MySQL, Redis, and the witnesses.
//
// Nothing is ever lowered: `granted` is the greatest number that Redis, MySQL or a witness has seen, and the
// winners are the union of all three. MySQL's row decides where two claim one number. A number up to `granted`
// that nobody can account for becomes a void row (voids.ts). A number beyond all that the sale can have granted is
// no knowledge: it is reported, the sale is merged without it and paused until somebody has looked, and the other
// sales go on.

import { and, count, eq, ne } from "drizzle-orm";
import { winnersInRedis } from "../grab/winners.ts";
import { insertFound } from "../ledger/insert.ts";
import { type Batch, bury } from "../ledger/letters.ts";
import type { WitnessedGrant } from "../ledger/protocol.ts";
import { lastNumbers, unrecorded } from "../ledger/rows.ts";
import { grants } from "../ledger/table.ts";
import { limits } from "../limits.ts";
import type { Redis } from "../redis/client.ts";
import { saleKeys } from "../redis/keys.ts";
import { type Decided, newsThrough, tellOf } from "../sales/news.ts";
import {
  beforePending,
  type SaleRow,
  saleFields,
  storedSale,
  warmSalesPage,
} from "../sales/stored.ts";
import { sales } from "../sales/table.ts";
import { countedInRedis, damagedOf, isWrongType } from "./compare.ts";
import type { Recovery } from "./context.ts";
import { rebuildWinners } from "./rebuild.ts";
import swapSource from "./swap.lua" with { type: "text" };
import { decideUnfinished, pauseWithin } from "./unfinished.ts";
import { voidUnknown } from "./voids.ts";

export interface Merged {
  salesRebuilt: number;
  grantsRestored: number;
}

/**
 * Merges and rebuilds every warmed sale of the shard that does not agree; leaves the others alone. `suspects` are
 * sales whose counters may agree and whose winners may be others all the same.
 */
export async function mergeDamagedSales(
  recovery: Recovery,
  witnessed: ReadonlyMap<number, WitnessedGrant[]>,
  suspects: ReadonlySet<number> | "all",
): Promise<Merged> {
  const merged: Merged = { salesRebuilt: 0, grantsRestored: 0 };
  const { context, connection, shard } = recovery;
  let after = 0;
  for (;;) {
    const { db } = connection;
    const page = await warmSalesPage(db, shard, after, limits.recoveryPageSales);
    const damaged = new Set(await damagedOf(context.redis, db, page));
    for (const sale of page) {
      const seen = witnessed.get(sale.id) ?? [];
      const suspect = suspects === "all" || suspects.has(sale.id);
      if (damaged.has(sale) || suspect || seen.length > 0)
        await mergeSale(recovery, sale, seen, merged);
    }
    const last = page.at(-1);
    if (!last) return merged;
    after = last.id;
    await recovery.renew();
  }
}

async function mergeSale(
  recovery: Recovery,
  sale: SaleRow,
  seen: WitnessedGrant[],
  merged: Merged,
): Promise<void> {
  const { redis } = recovery.context;
  const { granted: counted, possible, change } = await countedInRedis(redis, sale);
  let highest = sale.granted;
  /** What makes no sense; the first few are enough. */
  const wild: string[] = [];
  const noteWild = (text: string): void => {
    if (wild.length < limits.wildToldMax) wild.push(text);
  };
  const note = (number: number): boolean => {
    const sane = number <= possible;
    if (sane) highest = Math.max(highest, number);
    else noteWild(`number ${number}`);
    return sane;
  };
  note(counted);
  const grantedAt = new Date();
  for await (const { claims, unreadable } of readableWinners(redis, sale.id)) {
    for (const user of unreadable) noteWild(`winner ${user}`);
    const found = claims
      .filter(({ number }) => note(number))
      .map(({ number, userId, slot, keyHash }) => {
        return { saleId: sale.id, grantNo: number, userId, userSlot: slot, keyHash, grantedAt };
      });
    merged.grantsRestored += await insertMissing(recovery, sale, found);
  }
  // What a process of this service has told somebody is beyond doubt.
  for (const { grantNo } of seen) highest = Math.max(highest, grantNo);
  for (let at = 0; at < seen.length; at += limits.batchGrantsMax) {
    const some = seen.slice(at, at + limits.batchGrantsMax);
    merged.grantsRestored += await insertMissing(recovery, sale, some);
  }
  const last = await lastNumbers(recovery.connection.db, [sale.id]);
  note(last.get(sale.id) ?? 0);
  const granted = highest;
  await voidUnknown(recovery, sale.id, granted);
  const settled = await settle(recovery, sale, granted);
  const { db } = recovery.connection;
  const before = await storedSale(db, sale.id);
  const decided = before?.pending && (await decideUnfinished(recovery, sale.id, settled, change));
  const refused = wild.length > 0 && (await reportWild(recovery, sale, wild));
  for (const one of [decided, refused]) if (one) await tellOf(newsThrough(redis), one);
  const row = await storedSale(db, sale.id);
  if (!row) throw new Error(`sale ${sale.id} is gone from MySQL`);
  const { key, name, users } = await rebuildWinners(recovery, row);
  const keys = saleKeys(sale.id);
  // A change that has begun since is not in Redis before the gate is open.
  const fields = saleFields({ ...beforePending(row), ...settled });
  const reply = await recovery.run(
    swapSource,
    [keys.gate, keys.sale, keys.winners, key, keys.rebuilds],
    [name, users, ...fields],
  );
  if (reply !== "swapped") throw new Error(`the rebuilt winners of sale ${sale.id} are ${reply}`);
  merged.salesRebuilt += 1;
}

/**
 * Puts the merged counters into MySQL, as far as its CHECK takes them: rows beyond what the sale can have stand,
 * and its counters stay honest. Gives the counters for Redis; `returned` has the voids in it.
 */
async function settle(
  { connection, write }: Recovery,
  sale: SaleRow,
  granted: number,
): Promise<{ granted: number; returned: number }> {
  const [back] = await connection.db
    .select({ rows: count() })
    .from(grants)
    .where(and(eq(grants.saleId, sale.id), ne(grants.state, "granted")));
  const returned = Math.max(sale.returned, back?.rows ?? 0);
  const recorded = Math.min(granted, sale.total + returned);
  // Of a shard whose ledger has a hole every sale is looked at, and nearly all are as they were.
  if (recorded !== sale.granted || returned !== sale.returned) {
    await write((tx) =>
      tx.update(sales).set({ granted: recorded, returned }).where(eq(sales.id, sale.id)),
    );
  }
  return { granted, returned };
}

/** Inserts those grants whose number MySQL does not have. Returns how many. */
async function insertMissing(
  { context, connection, shard, epoch, write }: Recovery,
  sale: SaleRow,
  chunk: readonly WitnessedGrant[],
): Promise<number> {
  const missing = await unrecorded(connection.db, chunk);
  if (missing.length === 0) return 0;
  const rows = missing.map((grant) => ({ ...grant, epoch }));
  // MySQL's row stands, for the number and for the user; the other claim stays visible as a dead letter.
  const batch: Batch = { shard, codes: context.codes, dead: 0 };
  const restored = await write((tx) => insertFound(tx, batch, `recovery-${epoch}`, sale, rows));
  if (batch.dead > 0) {
    context.metrics.deadLetters.inc(batch.dead);
    context.log.error({ shard, saleId: sale.id, count: batch.dead }, "claims went to dead_letters");
  }
  return restored;
}

/** A key of another type, which somebody else has put there, says nothing of winners. */
async function* readableWinners(redis: Redis, saleId: number): ReturnType<typeof winnersInRedis> {
  try {
    yield* winnersInRedis(redis, saleId);
  } catch (error) {
    if (!isWrongType(error)) throw error;
  }
}

/** MySQL has the pause first, so that whatever is rebuilt later keeps it. Gives a change that it has refused. */
async function reportWild(
  { context, shard, epoch, write }: Recovery,
  { id: saleId, total }: SaleRow,
  wild: readonly string[],
): Promise<Decided | undefined> {
  const reason = "redis had what the sale cannot have; the sale is paused";
  const letter = { entryId: `recovery-${epoch}`, saleId, grantNo: 0, reason };
  const refused = await write(async (tx) => {
    const batch: Batch = { shard, codes: context.codes, dead: 0 };
    await bury(tx, batch, { ...letter, payload: JSON.stringify({ wild, total }) });
    return pauseWithin(tx, saleId, reason);
  });
  context.log.error({ saleId, total, wild }, reason);
  return refused;
}

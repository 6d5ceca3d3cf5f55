// What the gate, the lease, the cursor and the stream of a shard say of each other.

import { count, eq, sql } from "drizzle-orm";
import { compareIds } from "../ledger/entry.ts";
import { deadLetters, processes, shards } from "../ledger/table.ts";
import { limits } from "../limits.ts";
import type { Fault } from "./counters.ts";
import { type Cut, readCut } from "./cut.ts";
import type { AuditDeps } from "./deps.ts";
import type { Finding } from "./finding.ts";

type ShardRow = typeof shards.$inferSelect;

/** Looks at a shard once. MySQL's cursor is read between two readings of the stream. */
export async function shardFaults({ redis, pool }: AuditDeps, shard: number): Promise<Fault[]> {
  const before = await readCut(redis, shard, []);
  const [found] = await pool.db
    .select({
      row: shards,
      holds: sql<number>`${shards.leaseOwner} IS NOT NULL AND ${shards.leaseUntil} >= NOW(3)`,
      owner: processes.id,
    })
    .from(shards)
    .leftJoin(processes, eq(processes.id, shards.leaseOwner))
    .where(eq(shards.shard, shard));
  if (!found) return [{ kind: "gate", text: "MySQL has no row of the shard" }];
  const { row, holds, owner } = found;
  const after = await readCut(redis, shard, []);
  const faults = [...gateFaults(row, after), ...streamFaults(row, before, after)];
  if (holds === 1 && owner === null) {
    const text = `the lease belongs to ${row.leaseOwner}, which is no process of this service`;
    faults.push({ kind: "lease", text });
  }
  return faults;
}

function gateFaults({ epoch, incarnation }: ShardRow, cut: Cut): Fault[] {
  // Nothing was ever sold on it.
  if (epoch === 0 && cut.epoch === 0) return [];
  const gate = (text: string): Fault[] => [{ kind: "gate", text }];
  if (incarnation === "") return gate(`a recovery has begun epoch ${epoch} and is not done`);
  if (cut.epoch === 0) return gate(`Redis has no gate, and MySQL is at epoch ${epoch}`);
  if (cut.epoch !== epoch) {
    return gate(`the gate is at epoch ${cut.epoch} in Redis, at ${epoch} in MySQL`);
  }
  return cut.open ? [] : gate(`the gate of epoch ${epoch} is closed`);
}

function streamFaults({ lastId: cursor }: ShardRow, before: Cut, after: Cut): Fault[] {
  const faults: Fault[] = [];
  if (compareIds(cursor, after.lastId) > 0) {
    const text = `MySQL has read up to ${cursor}, and the stream ends at ${after.lastId}`;
    faults.push({ kind: "stream", text });
  }
  // Trimming keeps the entry at the cursor: what begins behind it has lost entries that nobody has read.
  const begins = before.firstId === "" ? before.lastId : before.firstId;
  if (compareIds(begins, cursor) > 0) {
    const text = `the stream begins at ${begins}, and MySQL has read up to ${cursor} only`;
    faults.push({ kind: "stream", text });
  }
  return faults;
}

/**
 * The epoch at which a shard is open in Redis and by MySQL, or undefined when it is not, or when the two do not mean
 * the same epoch. What two looks have seen counts if this was the same before and after.
 */
export async function openEpoch(
  { redis, pool }: AuditDeps,
  shard: number,
): Promise<number | undefined> {
  const { epoch, open } = await readCut(redis, shard, []);
  if (!open) return undefined;
  const [row] = await pool.db
    .select({ epoch: shards.epoch, incarnation: shards.incarnation })
    .from(shards)
    .where(eq(shards.shard, shard));
  return row?.epoch === epoch && row.incarnation !== "" ? epoch : undefined;
}

/** What MySQL refused for good, one finding for each sale. `saleId` leaves out those of other sales. */
export async function buriedFindings(
  { pool }: AuditDeps,
  shard: number,
  saleId?: number,
): Promise<Finding[]> {
  const letters = await pool.db
    .select({
      saleId: deadLetters.saleId,
      number: deadLetters.grantNo,
      reason: deadLetters.reason,
    })
    .from(deadLetters)
    .where(eq(deadLetters.shard, shard))
    .orderBy(deadLetters.saleId, deadLetters.grantNo)
    .limit(limits.auditDeadLettersMax);
  const [all] = await pool.db
    .select({ letters: count() })
    .from(deadLetters)
    .where(eq(deadLetters.shard, shard));
  const left = (all?.letters ?? 0) - letters.length;
  const bySale = Map.groupBy(letters, (letter) => letter.saleId);
  const findings: Finding[] = [];
  for (const [id, list] of bySale) {
    if (saleId !== undefined && id !== saleId && id !== 0) continue;
    const numbers = list.map(({ number }) => number).filter((number) => number > 0);
    findings.push({
      ...{ kind: "dead_letters", shard, count: list.length },
      ...(id === 0 ? {} : { saleId: id }),
      text: `MySQL refused for good, such as: ${list[0]?.reason}`,
      numbers: numbers.slice(0, limits.auditNumbersNamed),
    });
  }
  if (left > 0) {
    const text = "dead letters were not read";
    findings.push({ kind: "more", shard, text, numbers: [], count: left });
  }
  return findings;
}

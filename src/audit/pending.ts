// What stands in a shard's stream and not in MySQL yet.

import { eq } from "drizzle-orm";
import type { Claim } from "../grab/winners.ts";
import { compareIds } from "../ledger/entry.ts";
import { readStream } from "../ledger/stream.ts";
import { shards } from "../ledger/table.ts";
import type { AuditDeps } from "./deps.ts";

/** The grants of one sale that wait. */
export class PendingSale {
  /** The user alone for a first slot without a key, which is nearly all: millions may wait. */
  readonly #waiting = new Map<number, number | Claim>();
  /** Numbers whose winner cannot be read; they will be dead letters. */
  readonly unreadable = new Set<number>();

  get size(): number {
    return this.#waiting.size;
  }

  add(claim: Claim): void {
    const plain = claim.slot === 1 && claim.keyHash === null;
    this.#waiting.set(claim.number, plain ? claim.userId : claim);
  }

  at(number: number): Claim | undefined {
    const found = this.#waiting.get(number);
    return typeof found === "number" ? { number, userId: found, slot: 1, keyHash: null } : found;
  }

  take(number: number): void {
    this.#waiting.delete(number);
  }

  *claims(): Generator<Claim> {
    for (const number of this.#waiting.keys()) yield this.at(number) as Claim;
  }
}

export interface Pending {
  readonly sales: ReadonlyMap<number, PendingSale>;
  /** Ids of entries that cannot be read at all. */
  readonly broken: readonly string[];
}

/**
 * Reads what follows MySQL's cursor up to `lastId`, for these sales. MySQL read after this has every grant up
 * to `lastId` that is not in here.
 */
export async function readPending(
  { redis, pool }: AuditDeps,
  shard: number,
  saleIds: ReadonlySet<number>,
  lastId: string,
): Promise<Pending> {
  const [row] = await pool.db
    .select({ lastId: shards.lastId })
    .from(shards)
    .where(eq(shards.shard, shard));
  const sales = new Map<number, PendingSale>();
  const broken: string[] = [];
  let after = row?.lastId ?? "0-0";
  while (compareIds(after, lastId) < 0) {
    const entries = await readStream(redis, shard, after);
    for (const entry of entries) {
      if (compareIds(entry.id, lastId) > 0) return { sales, broken };
      if (entry.kind === "broken") broken.push(entry.id);
      if (entry.kind !== "grant" || !saleIds.has(entry.saleId)) continue;
      const sale = sales.get(entry.saleId) ?? new PendingSale();
      sales.set(entry.saleId, sale);
      for (const { grantNo: number, userId, userSlot: slot, keyHash } of entry.grants) {
        sale.add({ number, userId, slot, keyHash });
      }
      for (const { grantNo } of entry.unreadable) sale.unreadable.add(grantNo);
    }
    const last = entries.at(-1);
    if (!last) break;
    after = last.id;
  }
  return { sales, broken };
}

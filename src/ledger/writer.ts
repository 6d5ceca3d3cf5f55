// Writes ledger entries into MySQL, each exactly once. A batch is one transaction: the shard's row is locked
// and shows that this process still holds the lease, the rows go in, the counters and the cursor move, and
// COMMIT makes all of it true together. A process that dies anywhere before COMMIT has written nothing; one
// that dies after it, or does not hear of it, finds the moved cursor and skips what is behind it.
//
// Entries of a sale follow each other without a gap. Where they do not, Redis has lost some, and nothing is
// written before recovery has asked everybody else who may know them. Recovery itself writes on behind a gap, and
// leaves the sale's counter before it: until the sale is merged, whoever leads sees that it is not whole.

import { eq, inArray, sql } from "drizzle-orm";
import type { CouponCodes } from "../coupons/code.ts";
import type { Database, Transaction } from "../db/client.ts";
import { isDataError, reasonOf } from "../db/errors.ts";
import { sales } from "../sales/table.ts";
import { templates } from "../templates/table.ts";
import { type DatedSale, dates } from "./coupons.ts";
import { compareIds, type LedgerEntry } from "./entry.ts";
import { buryGrant, insertGrants, type Writable } from "./insert.ts";
import { leaseEnd } from "./lease.ts";
import { type Batch, bury } from "./letters.ts";
import { lastNumbers } from "./rows.ts";
import { shards } from "./table.ts";

/** Entries of a sale that do not follow what MySQL has: the numbers from `expected` up to `first` are missing. */
export interface LedgerGap {
  readonly saleId: number;
  readonly expected: number;
  readonly first: number;
}

/** What became of a batch. `recorded` is the cumulative number of grants by sale. */
export type WriteResult =
  | {
      kind: "written";
      lastId: string;
      rows: number;
      dead: number;
      recorded: Map<number, number>;
    }
  | { kind: "not_owner" }
  /** Nothing was written: the ledger has lost entries, which is for recovery to look at. */
  | { kind: "gap"; gap: LedgerGap };

/** Who writes a shard, and with which codes. The lease is the owner's on this connection alone. */
export interface ShardOwner {
  readonly owner: string;
  readonly connectionId: number;
  readonly shard: number;
  readonly codes: CouponCodes;
}

type GrantEntry = Extract<LedgerEntry, { kind: "grant" }>;

/** What the batch needs to know of a sale in MySQL. */
interface KnownSale extends DatedSale {
  readonly granted: number;
}

/**
 * Writes one batch for a shard, on a connection of its owner. Throws on anything that is not the data's
 * fault (lost connection, deadlock, lock wait, read-only, disk full): nothing is written then, or all is
 * and the cursor says so; call again with the same entries. `overGaps` is for recovery, which fills them.
 */
export async function writeBatch(
  db: Database,
  { owner, connectionId, shard, codes }: ShardOwner,
  entries: readonly LedgerEntry[],
  { overGaps = false }: { overGaps?: boolean } = {},
): Promise<WriteResult> {
  return db.transaction(async (tx) => {
    const [row] = await tx
      .select({
        ...{ leaseOwner: shards.leaseOwner, connectionId: shards.connectionId },
        lastId: shards.lastId,
      })
      .from(shards)
      .where(eq(shards.shard, shard))
      .for("update");
    if (row?.leaseOwner !== owner || row.connectionId !== connectionId)
      return { kind: "not_owner" };
    const fresh = entries.filter((entry) => compareIds(entry.id, row.lastId) > 0);
    const lastId = fresh.at(-1)?.id ?? row.lastId;
    const known = await knownSales(tx, fresh);
    const gap = overGaps ? undefined : await gapIn(tx, fresh, known);
    if (gap) return { kind: "gap", gap };
    const batch: Batch = { shard, codes, dead: 0 };
    const rows = await writeGrants(tx, batch, fresh, known);
    for (const entry of countedEntries(fresh, known, { overGaps }))
      await moveCounters(tx, batch, entry.id, entry);
    await tx.update(shards).set({ lastId, leaseUntil: leaseEnd() }).where(eq(shards.shard, shard));
    const recorded = recordedOf(entries);
    return { kind: "written", lastId, rows, dead: batch.dead, recorded };
  });
}

function recordedOf(entries: readonly LedgerEntry[]): Map<number, number> {
  const recorded = new Map<number, number>();
  for (const entry of entries) {
    if (entry.kind !== "grant") continue;
    recorded.set(entry.saleId, Math.max(entry.granted, recorded.get(entry.saleId) ?? 0));
  }
  return recorded;
}

async function writeGrants(
  tx: Transaction,
  batch: Batch,
  entries: readonly LedgerEntry[],
  known: ReadonlyMap<number, KnownSale>,
): Promise<number> {
  const writable: Writable[] = [];
  for (const entry of entries) {
    if (entry.kind === "marker") continue;
    if (entry.kind === "broken") {
      await bury(tx, batch, {
        entryId: entry.id,
        saleId: 0,
        grantNo: 0,
        reason: entry.reason,
        payload: entry.payload,
      });
      continue;
    }
    for (const { grantNo, text, reason } of entry.unreadable) {
      const letter = { entryId: entry.id, saleId: entry.saleId, grantNo, reason, payload: text };
      await bury(tx, batch, letter);
    }
    const sale = known.get(entry.saleId);
    for (const row of entry.grants) {
      if (sale) writable.push({ row, entryId: entry.id, sale });
      else await buryGrant(tx, batch, entry.id, row, "no such sale");
    }
  }
  writable.sort((a, b) => a.row.saleId - b.row.saleId || a.row.grantNo - b.row.grantNo);
  await insertGrants(tx, batch, writable);
  return writable.length;
}

/** What MySQL knows of each sale in these entries; sales that it does not know are left out. */
async function knownSales(
  tx: Transaction,
  entries: readonly LedgerEntry[],
): Promise<Map<number, KnownSale>> {
  const ids = [
    ...new Set(entries.flatMap((entry) => (entry.kind === "grant" ? [entry.saleId] : []))),
  ];
  if (ids.length === 0) return new Map();
  const rows = await tx
    .select({
      ...{ id: sales.id, granted: sales.granted },
      ...{ templateId: sales.templateId, codeKey: sales.codeKey, ...dates },
    })
    .from(sales)
    .leftJoin(templates, eq(templates.id, sales.templateId))
    .where(inArray(sales.id, ids));
  return new Map(rows.map((row) => [row.id, row]));
}

/** The first place where a sale's entries do not follow each other: entries between them are lost. */
async function gapIn(
  tx: Transaction,
  entries: readonly LedgerEntry[],
  known: ReadonlyMap<number, KnownSale>,
): Promise<LedgerGap | undefined> {
  const last = new Map([...known].map(([id, { granted }]) => [id, granted]));
  for (const entry of entries) {
    if (entry.kind !== "grant") continue;
    const { saleId, first, granted } = entry;
    const behind = last.get(saleId);
    if (behind === undefined) continue;
    if (first > behind + 1) {
      // The counter may have been refused by the CHECK while the rows stand.
      const rows = await lastNumbers(tx, [saleId]);
      const expected = Math.max(behind, rows.get(saleId) ?? 0) + 1;
      if (first > expected) return { saleId, expected, first };
    }
    last.set(saleId, Math.max(behind, granted));
  }
  return undefined;
}

/** The entries that move their sale's counters: of each sale the last one, or the last one before its first gap. */
function countedEntries(
  entries: readonly LedgerEntry[],
  known: ReadonlyMap<number, KnownSale>,
  { overGaps }: { overGaps: boolean },
): Iterable<GrantEntry> {
  const last = new Map<number, GrantEntry>();
  for (const entry of entries) {
    if (entry.kind !== "grant") continue;
    const { saleId, first } = entry;
    const behind = Math.max(known.get(saleId)?.granted ?? 0, last.get(saleId)?.granted ?? 0);
    if (!overGaps || first <= behind + 1) last.set(saleId, entry);
  }
  return last.values();
}

/**
 * Cumulative values, so that a repetition changes nothing, and never downwards. Counters that the CHECK
 * refuses say that more was granted than there is; the rows stand, and the alarm is a dead letter.
 */
async function moveCounters(
  tx: Transaction,
  batch: Batch,
  entryId: string,
  { saleId, granted, returned }: { saleId: number; granted: number; returned: number },
): Promise<void> {
  try {
    await tx
      .update(sales)
      .set({
        granted: sql`GREATEST(${sales.granted}, ${granted})`,
        returned: sql`GREATEST(${sales.returned}, ${returned})`,
      })
      .where(eq(sales.id, saleId));
  } catch (error) {
    if (!isDataError(error)) throw error;
    const payload = JSON.stringify({ granted, returned });
    await bury(tx, batch, { entryId, saleId, grantNo: 0, reason: reasonOf(error), payload });
  }
}

// Sales as they are shown: what they are from memory, what moves from Redis, at most a second old. Where Redis does
// not have a sale or does not answer, MySQL's numbers, which lag behind, and the answer says so.

import { and, desc, eq, gt, isNotNull, isNull, lte, or, type SQL, sql } from "drizzle-orm";
import { LRUCache } from "lru-cache";
import type { Clock } from "../clock.ts";
import type { Database } from "../db/client.ts";
import { limits } from "../limits.ts";
import { timeOf } from "../time.ts";
import type { ListedSales } from "./listed.ts";
import { type LiveNumbers, liveOrNone, type SaleNumbers } from "./numbers.ts";
import { recordOf, type SaleRecord, type SaleRecords } from "./records.ts";
import type { SaleRow } from "./stored.ts";
import { sales } from "./table.ts";

export type SaleState = "upcoming" | "open" | "ended" | "paused";

export interface SaleView {
  readonly id: number;
  readonly sellerId: number;
  readonly templateId: number;
  readonly name: string;
  readonly state: SaleState;
  readonly total: number;
  readonly left: number;
  readonly granted: number;
  readonly returned: number;
  readonly userLimit: number;
  readonly grabsPerSecond: number | null;
  readonly opensAt: string | null;
  readonly closesAt: string | null;
  readonly createdAt: string;
  /** When the numbers were read. */
  readonly asOf: string;
  /** False: they are MySQL's, which knows of a grant a moment later. */
  readonly live: boolean;
}

export interface SaleFilter {
  readonly state?: SaleState;
  readonly sellerId?: number;
  /** Sales with smaller ids only. */
  readonly before?: number;
  readonly count: number;
}

export interface SaleViews {
  /** Undefined when there is no such sale. Throws MySQL's error where memory does not have it. */
  find(saleId: number): Promise<SaleView | undefined>;
  /** As MySQL's row has it, without a look anywhere. */
  ofRow(row: SaleRow): SaleView;
  /** Newest first; which sales they are is as of a second ago at most. Throws MySQL's error. */
  list(filter: SaleFilter): Promise<readonly SaleView[]>;
}

/** As grab.lua sees it at a moment. */
export function stateAt(
  { state, opensAt, closesAt }: Pick<SaleNumbers, "state" | "opensAt" | "closesAt">,
  now: number,
): SaleState {
  if (state === "paused") return "paused";
  if (state !== "open" || (closesAt !== null && now >= closesAt)) return "ended";
  return opensAt !== null && now < opensAt ? "upcoming" : "open";
}

function viewOf(
  { id, sellerId, templateId, name, createdAt }: SaleRecord,
  numbers: SaleNumbers,
  live: boolean,
): SaleView {
  const { total, granted, returned, userLimit, grabsPerSecond, asOf } = numbers;
  return {
    ...{ id, sellerId, templateId, name, state: stateAt(numbers, asOf), total },
    left: Math.max(0, total - (granted - returned)),
    ...{ granted, returned, userLimit, grabsPerSecond },
    opensAt: timeOf(numbers.opensAt),
    closesAt: timeOf(numbers.closesAt),
    createdAt: new Date(createdAt).toISOString(),
    ...{ asOf: new Date(asOf).toISOString(), live },
  };
}

const numbersIn = (row: SaleRow, asOf: number): SaleNumbers => ({
  ...{ state: row.state, total: row.total, granted: row.granted, returned: row.returned },
  ...{ recorded: row.granted, userLimit: row.userLimit, grabsPerSecond: row.grabsPerSecond },
  opensAt: row.opensAt?.getTime() ?? null,
  closesAt: row.closesAt?.getTime() ?? null,
  asOf,
});

const storedView = (row: SaleRow, asOf: number): SaleView =>
  viewOf(recordOf(row), numbersIn(row, asOf), false);

const now = sql`UTC_TIMESTAMP(3)`;
const isOver = and(isNotNull(sales.closesAt), lte(sales.closesAt, now));
const isNotOver = or(isNull(sales.closesAt), gt(sales.closesAt, now));
const isOpen = eq(sales.state, "open");

const STATES: Readonly<Record<SaleState, SQL | undefined>> = {
  paused: eq(sales.state, "paused"),
  ended: and(isOpen, isOver),
  upcoming: and(isOpen, isNotOver, gt(sales.opensAt, now)),
  open: and(isOpen, isNotOver, or(isNull(sales.opensAt), lte(sales.opensAt, now))),
};

interface ViewDeps {
  readonly db: Database;
  readonly records: SaleRecords;
  readonly listed: ListedSales;
  readonly numbers: LiveNumbers;
  readonly clock: Clock;
}

export function createSaleViews({ db, records, listed, numbers, clock }: ViewDeps): SaleViews {
  /** The ids of a page, kept for a moment, read once for all who ask at the same time. */
  const pages = new LRUCache<string, Promise<number[]>>({
    max: limits.saleListPagesMax,
    ttl: limits.saleNumbersTrustMs,
    ttlResolution: 0,
  });

  async function idsOf({ state, sellerId, before, count }: SaleFilter): Promise<number[]> {
    const rows = await db
      .select({ id: sales.id })
      .from(sales)
      .where(
        and(
          state && STATES[state],
          sellerId === undefined ? undefined : eq(sales.sellerId, sellerId),
          before === undefined ? undefined : sql`${sales.id} < ${before}`,
        ),
      )
      .orderBy(desc(sales.id))
      .limit(count);
    return rows.map(({ id }) => id);
  }

  function pageOf(filter: SaleFilter): Promise<number[]> {
    const { state, sellerId, before, count } = filter;
    const key = JSON.stringify([state, sellerId, before, count]);
    const known = pages.get(key);
    if (known) return known;
    const page = idsOf(filter).catch((error) => {
      pages.delete(key);
      throw error;
    });
    pages.set(key, page);
    return page;
  }

  /** What memory and Redis together do not say is one reading of MySQL, however many sales it concerns. */
  async function viewsOf(ids: readonly number[]): Promise<SaleView[]> {
    const live = await liveOrNone(numbers, ids);
    const views = ids.map((id, place) => {
      const [record, of] = [records.slot(id)?.value ?? listed.peek(id), live[place]];
      return record && of ? viewOf(record, of, true) : undefined;
    });
    const rows = await listed.read(ids.filter((_, place) => !views[place]));
    const asOf = clock.now();
    return ids.flatMap((id, place) => {
      const [view, of, row] = [views[place], live[place], rows.get(id)];
      if (view || !row) return view ?? [];
      return of ? viewOf(recordOf(row), of, true) : storedView(row, asOf);
    });
  }

  /** All who ask for a sale within the second of one reading are shown the same. */
  const shown = new WeakMap<
    SaleNumbers,
    { readonly record: SaleRecord; readonly view: SaleView }
  >();

  function viewIn(record: SaleRecord, of: SaleNumbers): SaleView {
    const before = shown.get(of);
    if (before?.record === record) return before.view;
    const view = viewOf(record, of, true);
    shown.set(of, { record, view });
    return view;
  }

  return {
    async find(saleId) {
      const [record, of] = [records.peek(saleId), numbers.peek(saleId)];
      if (record && of) return viewIn(record, of);
      if (!record && !(await records.get(saleId))) return undefined;
      return (await viewsOf([saleId]))[0];
    },

    ofRow: (row) => storedView(row, clock.now()),

    list: async (filter) => viewsOf(await pageOf(filter)),
  };
}

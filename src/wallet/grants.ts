// A page of a customer's grants, put together from two sources.
//
// `recent` are the customer's grants of sales that MySQL may not have yet, all of them, from Redis. `stored`
// are a window of the customer's other grants, from MySQL, without those in `recent`. So the two are
// disjoint, and each grant is once in the union, wherever the ledger stands. Newest sale first, in one sale
// the latest grant first: an order that both sources know, and that recording does not change.

import { limits } from "../limits.ts";

export interface Grant {
  readonly saleId: number;
  readonly number: number;
}

/** Negative when `a` is listed before `b`. */
export const byNewest = (a: Grant, b: Grant): number => b.saleId - a.saleId || b.number - a.number;

/**
 * Which rows of `stored` a page may need. Of the grants before the page any may be a recent one, so the
 * window begins that much earlier.
 */
export function storedWindow(page: number, recentCount: number): { offset: number; count: number } {
  const end = page * limits.listPageSize;
  const offset = Math.max(0, end - limits.listPageSize - recentCount);
  return { offset, count: end - offset };
}

/** The grants of one page; `stored` is sorted and is what `storedWindow` asked for. */
export function mergePage(
  page: number,
  recent: readonly Grant[],
  stored: readonly Grant[],
): Grant[] {
  const { offset } = storedWindow(page, recent.length);
  const first = stored[0];
  // Nothing stored so far down: even with all recent ones before it, the page lies beyond the end.
  if (offset > 0 && !first) return [];
  // Recent ones before the window are also before the page; how many says where the window begins.
  const before =
    offset > 0 && first ? recent.filter((grant) => byNewest(grant, first) < 0).length : 0;
  const merged = [...[...recent].sort(byNewest).slice(before), ...stored].sort(byNewest);
  const start = (page - 1) * limits.listPageSize - (offset + before);
  return merged.slice(start, start + limits.listPageSize);
}

/**
 * The numbers in one field of a winners hash: "17", or by slot "17:keyhash,,19:keyhash", where an empty
 * part is a slot whose grant was returned.
 */
export const numbersOf = (field: string): number[] =>
  field
    .split(",")
    .filter((part) => part !== "")
    .map((part) => Number.parseInt(part, 10));

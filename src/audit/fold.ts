// Compares a million grants in bounded memory. MySQL's rows come in the order of their numbers, so a gap shows at
// once. Winners and rows come in different orders: both are added up in groups of numbers, one with plus and one
// with minus, and only the groups that do not come to nothing are read again, to find the numbers.
//
// Nothing here is a verdict: what looks wrong is a suspect, and inspect.ts looks at each one by itself.

import type { Claim } from "../grab/winners.ts";
import { winnersInRedis } from "../grab/winners.ts";
import { limits } from "../limits.ts";
import { ClaimSums, groupOf, sameHolder } from "./claim.ts";
import type { AuditDeps } from "./deps.ts";
import type { PendingSale } from "./pending.ts";
import { isHeld, type Row, rowFault, rowsInMysql } from "./rows.ts";
import { Suspects } from "./suspects.ts";

/** The sale to fold: everything up to the number `granted` must be there. */
export interface Folded {
  readonly saleId: number;
  readonly userLimit: number;
  /** What Redis had granted at the cut. */
  readonly granted: number;
  /** What stood in the stream after the cut, read before MySQL. */
  readonly pending: PendingSale | undefined;
}

export interface Fold {
  /** Rows up to the cut. */
  rows: number;
  voids: number;
  /** Rows that are not held any more, voids included. */
  returned: number;
  /** Grants up to the cut that waited in the stream. */
  backlog: number;
  /** The greatest number that a row or a winner has. */
  last: number;
  readonly suspects: Suspects;
}

/** Folds one sale. Throws when a server does not answer. */
export async function foldSale(deps: AuditDeps, sale: Folded): Promise<Fold> {
  const fold: Fold = {
    rows: 0,
    voids: 0,
    returned: 0,
    backlog: 0,
    last: 0,
    suspects: new Suspects(),
  };
  const sums = new ClaimSums();
  await addWinners(deps, sale, fold, sums);
  await takeRows(deps, sale, fold, sums);
  const groups = [...sums.differing()];
  // Each group that is not read again has a number at least that differs.
  fold.suspects.left += Math.max(0, groups.length - limits.auditGroupsMax);
  const read = new Set(groups.slice(0, limits.auditGroupsMax));
  if (read.size > 0) await readAgain(deps, sale, read, fold.suspects);
  return fold;
}

async function addWinners(
  { redis, progress }: AuditDeps,
  { saleId, granted }: Folded,
  fold: Fold,
  sums: ClaimSums,
): Promise<void> {
  let seen = 0;
  for await (const { claims, unreadable } of winnersInRedis(redis, saleId)) {
    for (const claim of claims) {
      if (claim.number > fold.last) fold.last = claim.number;
      // Granted after the cut: whether it is a number at all is asked of a later one.
      if (claim.number <= granted) sums.add(claim, 1);
    }
    for (const user of unreadable) fold.suspects.addUnreadable(user);
    seen += claims.length;
    progress?.(`sale ${saleId}: ${seen} winners`);
  }
}

async function takeRows(
  { pool, progress }: AuditDeps,
  sale: Folded,
  fold: Fold,
  sums: ClaimSums,
): Promise<void> {
  const { saleId, granted, pending, userLimit } = sale;
  const { suspects } = fold;
  let expected = 1;
  /** Numbers without a row: they wait in the stream, or are missing. */
  const waits = (end: number) => {
    let gap = expected;
    for (let number = expected; number <= end; number += 1) {
      const claim = pending?.at(number);
      if (!claim && !pending?.unreadable.has(number)) continue;
      suspects.addRange(gap, number - 1);
      gap = number + 1;
      fold.backlog += 1;
      if (claim) sums.add(claim, -1);
    }
    suspects.addRange(gap, end);
  };
  for await (const page of rowsInMysql(pool, saleId)) {
    for (const row of page) {
      if (row.number > fold.last) fold.last = row.number;
      if (row.number > granted) continue;
      if (row.number > expected) waits(row.number - 1);
      expected = row.number + 1;
      fold.rows += 1;
      if (row.state === "void") fold.voids += 1;
      if (row.state !== "granted") fold.returned += 1;
      if (rowFault(row, userLimit) || !agreesWith(pending?.at(row.number), row))
        suspects.add(row.number);
      if (isHeld(row)) sums.add(row, -1);
    }
    progress?.(`sale ${saleId}: ${fold.rows} rows`);
  }
  waits(granted);
}

/** A grant that has moved from the stream into MySQL since must be the same there. */
const agreesWith = (waiting: Claim | undefined, row: Row): boolean =>
  !waiting || (isHeld(row) && sameHolder(waiting, row));

/** The suspects among the numbers of these groups. An element of the hash may have come twice in the first reading. */
async function readAgain(
  { redis, pool }: AuditDeps,
  { saleId, granted, pending }: Folded,
  groups: ReadonlySet<number>,
  suspects: Suspects,
): Promise<void> {
  const claimed = new Map<number, Claim>();
  const asked = (number: number) => number <= granted && groups.has(groupOf(number));
  for await (const { claims } of winnersInRedis(redis, saleId)) {
    for (const claim of claims) {
      if (!asked(claim.number)) continue;
      const other = claimed.get(claim.number);
      if (!other) claimed.set(claim.number, claim);
      else if (other.userId !== claim.userId || other.slot !== claim.slot) suspects.addClaim(claim);
    }
  }
  /** What has moved from the stream into MySQL meanwhile comes here twice. */
  const agreed = new Set<number>();
  const compare = (holder: Claim) => {
    const claim = claimed.get(holder.number);
    if (claim && sameHolder(claim, holder)) {
      agreed.add(holder.number);
      claimed.delete(holder.number);
    } else if (!claim && !agreed.has(holder.number)) suspects.add(holder.number);
  };
  for (const claim of pending?.claims() ?? []) if (asked(claim.number)) compare(claim);
  for await (const page of rowsInMysql(pool, saleId)) {
    for (const row of page) if (isHeld(row) && asked(row.number)) compare(row);
  }
  for (const claim of claimed.values()) suspects.addClaim(claim);
}

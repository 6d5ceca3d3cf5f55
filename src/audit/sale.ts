// One sale: fold all of it, and look at what is suspicious one by one.

import { winnersInRedis, winnersOf } from "../grab/winners.ts";
import { limits } from "../limits.ts";
import { shardOf } from "../redis/keys.ts";
import type { SaleRow } from "../sales/stored.ts";
import { inspectCoupons, suspectCoupons } from "./coupons.ts";
import { readCut, type SaleCut } from "./cut.ts";
import type { AuditDeps } from "./deps.ts";
import type { Doubts } from "./doubts.ts";
import type { Finding, FindingKind } from "./finding.ts";
import { type Fold, foldSale } from "./fold.ts";
import { inspectNumbers, type NumberFault } from "./inspect.ts";
import type { PendingSale } from "./pending.ts";
import { returnedInMysql, rowsAfter } from "./rows.ts";
import type { Suspects } from "./suspects.ts";

/**
 * Compares the grants of one sale up to the cut, and puts what looks wrong among the doubts. Throws when a server
 * does not answer.
 */
export async function auditSale(
  deps: AuditDeps,
  sale: SaleRow,
  cut: SaleCut,
  pending: PendingSale | undefined,
  doubts: Doubts,
): Promise<Fold> {
  const { id: saleId, userLimit } = sale;
  const { granted } = cut;
  const fold = await foldSale(deps, { saleId, userLimit, granted, pending });
  const { suspects } = fold;
  await suspectBeyond(deps, saleId, fold);
  if (!suspects.empty) {
    await doubts.add(saleId, async () => [
      ...(await inspectNumbers(deps, sale, suspects.numbers, suspects.claims)),
      ...(await unreadableNow(deps, saleId, suspects)),
    ]);
  }
  if (fold.returned !== cut.returned) await doubts.add(saleId, () => miscounted(deps, saleId));
  const ofCoupons = await suspectCoupons(deps, sale);
  if (!ofCoupons.empty) {
    await doubts.add(saleId, () =>
      inspectCoupons(deps, sale, ofCoupons.numbers, { history: true }),
    );
  }
  suspects.left += ofCoupons.left;
  return fold;
}

async function miscounted({ pool }: AuditDeps, saleId: number): Promise<NumberFault[]> {
  const { counted, found } = await returnedInMysql(pool, saleId);
  if (counted === found) return [];
  const text = `MySQL counts ${counted} as returned, and ${found} rows say so`;
  return [{ kind: "counters", text }];
}

/** A number beyond the cut is fine if Redis has granted it since. */
async function suspectBeyond(deps: AuditDeps, saleId: number, fold: Fold): Promise<void> {
  const { sales } = await readCut(deps.redis, shardOf(saleId), [saleId]);
  const granted = sales.get(saleId)?.granted ?? 0;
  if (!(fold.last > granted)) return;
  const { suspects } = fold;
  for (const { number } of await rowsAfter(deps.pool, saleId, granted, limits.auditRowsPerPage)) {
    suspects.add(number);
  }
  for await (const { claims } of winnersInRedis(deps.redis, saleId)) {
    for (const claim of claims) if (claim.number > granted) suspects.addClaim(claim);
  }
}

async function unreadableNow(
  { redis }: AuditDeps,
  saleId: number,
  { unreadable }: Suspects,
): Promise<NumberFault[]> {
  if (unreadable.size === 0) return [];
  const users = [...unreadable].filter((user) => /^\d{1,15}$/.test(user)).map(Number);
  const held = await winnersOf(redis, saleId, users);
  const gone = new Set(
    users.filter((user) => held.get(user)?.readable ?? true).map((user) => String(user)),
  );
  return [...unreadable]
    .filter((user) => !gone.has(user))
    .map((user) => ({
      kind: "winner_unknown" as const,
      text: `what user ${user} holds cannot be read`,
    }));
}

/** One sentence for many numbers. */
const MANY: Partial<Record<FindingKind, string>> = {
  number_missing: "numbers are neither in MySQL nor in the stream",
  number_unknown: "MySQL has numbers that Redis has not granted",
  row_invalid: "rows contradict themselves",
  over_limit: "users hold more than the limit",
  winner_missing: "grants are not among the winners in Redis",
  winner_unknown: "winners in Redis hold what is not theirs",
  coupon_missing: "grants have no coupon; doorbuster coupons repair makes them",
  coupon_unknown: "there are coupons without a grant",
  coupon_differs: "coupons are not what their grants say",
  coupon_state: "coupons and their histories contradict each other",
  winner_differs: "numbers are one user's by the ledger and another's in Redis",
};

/** One finding for each kind of fault. */
export function findingsOf(saleId: number, faults: readonly NumberFault[], left = 0): Finding[] {
  const place = { shard: shardOf(saleId), saleId };
  const findings: Finding[] = [...Map.groupBy(faults, ({ kind }) => kind)].map(([kind, list]) => {
    const numbers = list
      .flatMap(({ number }) => (number === undefined ? [] : [number]))
      .toSorted((a, b) => a - b);
    const text = (list.length > 1 && MANY[kind]) || (list[0]?.text ?? kind);
    return {
      ...place,
      kind,
      text,
      numbers: numbers.slice(0, limits.auditNumbersNamed),
      count: list.length,
    };
  });
  if (left > 0) {
    const text = "more look wrong than were looked at one by one";
    findings.push({ ...place, kind: "more", text, numbers: [], count: left });
  }
  return findings;
}

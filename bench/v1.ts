// What the grab of /v1 costs against the classic one: both on one running system by turns, because one machine is not
// equally fast at all times. Each turn is compared with its neighbour only, and the median of these pairs counts: a
// machine that becomes slower favours neither, and one that is slow for a turn spoils one pair.

import { type Figure, median } from "./figures.ts";
import { grabRequests, type Limits, measureWon, requestsOf } from "./grabs.ts";
import type { RunOptions } from "./scenario.ts";
import { couponName, makeCoupon } from "./stock.ts";
import { type Bench, openSystem, type System } from "./system.ts";

const ENDLESS = 10_000_000;
export const V1_WON = "v1 won";
export const BESIDE = "classic beside v1";
const FOUR_TURNS = [BESIDE, V1_WON, V1_WON, BESIDE] as const;
const TURNS = [...FOUR_TURNS, ...FOUR_TURNS];

/** Winning grabs through /v1, where a sale has an id. */
const v1Requests = (system: System, saleId: number) =>
  requestsOf(system, 0, "POST", (_index, token) => ({
    path: `/v1/sales/${saleId}/grab`,
    authorization: `Bearer ${token}`,
  }));

/** What the grab of /v1 costs the API against the classic one: the median of the pairs; undefined without any. */
export function costBesideClassic(turns: readonly Figure[]): number | undefined {
  const ratios: number[] = [];
  for (let at = 0; at + 1 < turns.length; at += 2) {
    const apiOf = (wanted: string) =>
      turns.slice(at, at + 2).find(({ scenario }) => scenario === wanted)?.cpu.api ?? Number.NaN;
    ratios.push(apiOf(V1_WON) / apiOf(BESIDE));
  }
  return ratios.length === 0 ? undefined : median(ratios);
}

/** The figures of all turns, in their order; each turn has a sale of its own and a quarter of the run's time. */
export async function measureV1Won(
  bench: Bench,
  limits: Limits,
  run: RunOptions,
): Promise<Figure[]> {
  const quarter = { ...run, seconds: Math.ceil(run.seconds / 4) };
  const system = await openSystem(bench);
  try {
    await system.start(limits);
    const figures: Figure[] = [];
    for (const [turn, scenario] of TURNS.entries()) {
      const name = couponName(turn + 1);
      const id = await makeCoupon(system, { name, amount: ENDLESS });
      const requests =
        scenario === V1_WON ? v1Requests(system, id) : grabRequests(system, () => name);
      const sale = { id, name, loaded: 0, firstArrival: 0 };
      figures.push({ scenario, limits, ...(await measureWon(system, quarter, sale, requests)) });
    }
    return figures;
  } finally {
    await system.close();
  }
}

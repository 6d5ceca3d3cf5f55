// What the grab of /v1 costs against the classic one: both on one running system by turns, because one machine is not
// equally fast at all times. The order is classic, /v1, /v1, classic, so that a machine that only becomes slower
// favours neither.

import type { Figure } from "./figures.ts";
import { grabRequests, type Limits, measureWon, requestsOf } from "./grabs.ts";
import type { RunOptions } from "./scenario.ts";
import { couponName, makeCoupon } from "./stock.ts";
import { type Bench, openSystem, type System } from "./system.ts";

const ENDLESS = 10_000_000;
export const V1_WON = "v1 won";
export const BESIDE = "classic beside v1";
const TURNS = [BESIDE, V1_WON, V1_WON, BESIDE] as const;

/** Winning grabs through /v1, where a sale has an id. */
const v1Requests = (system: System, saleId: number) =>
  requestsOf(system, 0, "POST", (_index, token) => ({
    path: `/v1/sales/${saleId}/grab`,
    authorization: `Bearer ${token}`,
  }));

/** The figures of all turns, in their order; each turn has a sale of its own and half of the run's time. */
export async function measureV1Won(
  bench: Bench,
  limits: Limits,
  run: RunOptions,
): Promise<Figure[]> {
  const half = { ...run, seconds: Math.ceil(run.seconds / 2) };
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
      figures.push({ scenario, limits, ...(await measureWon(system, half, sale, requests)) });
    }
    return figures;
  } finally {
    await system.close();
  }
}

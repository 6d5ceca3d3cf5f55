// What the grab of /v1 costs against the classic one: both on one running system by short turns, because one machine is
// not equally fast at all times. Each turn is compared with its neighbour only, and the median of these pairs counts: a
// machine that becomes slower favours neither, and one that is slow for a turn spoils one pair.

import { type Audit, type Figure, median } from "./figures.ts";
import { grabRequests, type Limits, measureWon, requestsOf } from "./grabs.ts";
import type { RunOptions } from "./scenario.ts";
import { couponName, makeCoupon } from "./stock.ts";
import { type Bench, openSystem, type System } from "./system.ts";

const ENDLESS = 10_000_000;
const TURN_SECONDS = 2;
/** The first turn of each kind is warmed up as every scenario is; after that the service is compiled. */
const WARM_AGAIN_SECONDS = 1;
export const V1_WON = "v1 won";
export const BESIDE = "classic beside v1";
const FOUR_TURNS = [BESIDE, V1_WON, V1_WON, BESIDE] as const;

/** Winning grabs through /v1, where a sale has an id. */
const v1Requests = (system: System, saleId: number) =>
  requestsOf(system, 0, "POST", (_index, token) => ({
    path: `/v1/sales/${saleId}/grab`,
    authorization: `Bearer ${token}`,
  }));

/** What the grab of /v1 cost the API against the classic one, in each pair of neighbouring turns. */
function ratiosOf(turns: readonly Figure[]): number[] {
  const ratios: number[] = [];
  for (let at = 0; at + 1 < turns.length; at += 2) {
    const apiOf = (wanted: string) =>
      turns.slice(at, at + 2).find(({ scenario }) => scenario === wanted)?.cpu.api ?? Number.NaN;
    ratios.push(apiOf(V1_WON) / apiOf(BESIDE));
  }
  return ratios;
}

/** The numbers of several sales added up. */
function auditOf(audits: readonly Audit[]): Audit {
  const sum = (name: Exclude<keyof Audit, "agrees">) =>
    audits.reduce((total, audit) => total + audit[name], 0);
  return {
    ...{ confirmed: sum("confirmed"), grantedInRedis: sum("grantedInRedis") },
    ...{ recordedInRedis: sum("recordedInRedis"), rowsInMysql: sum("rowsInMysql") },
    ...{ distinctNumbers: sum("distinctNumbers"), distinctUsers: sum("distinctUsers") },
    ...{ deadLetters: sum("deadLetters"), agrees: audits.every(({ agrees }) => agrees) },
  };
}

/** Stands for all turns of its kind: the one in the middle by what it cost the API, with the numbers of all. */
function middleOf(turns: readonly Figure[]): Figure {
  const middle = turns.toSorted((a, b) => a.cpu.api - b.cpu.api)[turns.length >> 1];
  if (!middle) throw new Error("there was no turn");
  return { ...middle, audit: auditOf(turns.flatMap(({ audit }) => audit ?? [])) };
}

/** A figure of each kind; each turn has a sale of its own. Each kind is measured for the run's time at least. */
export async function measureV1Won(
  bench: Bench,
  limits: Limits,
  run: RunOptions,
): Promise<Figure[]> {
  const rounds = Math.ceil(run.seconds / (2 * TURN_SECONDS));
  const order = Array.from({ length: rounds }, () => FOUR_TURNS).flat();
  const system = await openSystem(bench);
  try {
    await system.start(limits);
    const turns: Figure[] = [];
    for (const [turn, scenario] of order.entries()) {
      const name = couponName(turn + 1);
      const id = await makeCoupon(system, { name, amount: ENDLESS });
      const requests =
        scenario === V1_WON ? v1Requests(system, id) : grabRequests(system, () => name);
      const sale = { id, name, loaded: 0, firstArrival: 0 };
      const ownRun = {
        ...{ ...run, seconds: TURN_SECONDS, bareMicros: turns[0]?.bareMicros },
        ...(turn < 2 ? {} : { warmUpSeconds: WARM_AGAIN_SECONDS }),
      };
      turns.push({ scenario, limits, ...(await measureWon(system, ownRun, sale, requests)) });
    }
    const of = (wanted: string) => turns.filter(({ scenario }) => scenario === wanted);
    const ratios = ratiosOf(turns);
    const note = `API CPU against the classic grab, pair by pair: ${ratios.map((ratio) => ratio.toFixed(2)).join(", ")}`;
    return [
      middleOf(of(BESIDE)),
      { ...middleOf(of(V1_WON)), costBesideClassic: median(ratios), note },
    ];
  } finally {
    await system.close();
  }
}

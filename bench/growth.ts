// Does a grab cost more on a system that has sold much? The same load on an empty system and on one with a
// thousand sales and a million winners, by turns, because one machine is not equally fast at all times.

import { type CpuPerRequest, type Figure, median } from "./figures.ts";
import { measureWon } from "./grabs.ts";
import type { RunOptions } from "./scenario.ts";
import { couponName, type LoadedSale, loadSales } from "./stock.ts";
import { type Bench, openSystem, type System, say } from "./system.ts";

const SALES = 1_000;
const WINNERS_PER_SALE = 1_000;
const ROUNDS = 2;
const HOT_STOCK = 10_000_000;
const ARRIVALS_PER_LEG = 50_000_000;
/** Winners who were loaded come from arrivals that no load reaches. */
const LOADED_FROM = 500_000_000;

export interface Growth {
  readonly sales: number;
  readonly winners: number;
  readonly empty: CpuPerRequest;
  readonly loaded: CpuPerRequest;
  /** Of the sums. */
  readonly ratio: number;
  readonly apiRatio: number;
  /** From the process's start until it is ready, milliseconds. */
  readonly emptyStartMs: number;
  readonly loadedStartMs: number;
  readonly legs: readonly Leg[];
}

/** One load on one side; the name tells which. */
interface Leg extends Omit<Figure, "scenario" | "limits"> {
  readonly name: string;
}

const soldSales = (count: number): LoadedSale[] =>
  Array.from({ length: count }, (_, index) => ({
    id: index + 1,
    winners: WINNERS_PER_SALE,
    total: index === 0 ? HOT_STOCK : WINNERS_PER_SALE,
    winner: (number) => LOADED_FROM + index * WINNERS_PER_SALE + number,
  }));

const emptySale: LoadedSale = { id: 1, winners: 0, total: HOT_STOCK, winner: () => 0 };

interface Side {
  readonly name: string;
  readonly system: System;
  readonly hot: LoadedSale;
  readonly startsMs: number[];
  readonly legs: Leg[];
  confirmed: number;
}

async function openSide(bench: Bench, name: string, sales: LoadedSale[]): Promise<Side> {
  const system = await openSystem(bench);
  await loadSales(system, sales);
  return { name, system, hot: sales[0] ?? emptySale, startsMs: [], legs: [], confirmed: 0 };
}

async function leg(side: Side, run: RunOptions): Promise<void> {
  const { system, hot } = side;
  side.startsMs.push(await system.start("off"));
  const sale = { id: hot.id, name: couponName(hot.id), loaded: hot.winners + side.confirmed };
  const firstArrival = side.legs.length * ARRIVALS_PER_LEG;
  const figure = await measureWon(system, run, { ...sale, firstArrival });
  side.legs.push({ name: `growth, ${side.name} ${side.legs.length + 1}`, ...figure });
  side.confirmed += figure.audit.confirmed;
  await system.stop();
}

function middle(legs: readonly { cpu: CpuPerRequest }[]): CpuPerRequest {
  const of = (part: keyof CpuPerRequest) => median(legs.map(({ cpu }) => cpu[part]));
  return {
    api: of("api"),
    worker: of("worker"),
    redis: of("redis"),
    mysql: of("mysql"),
    sum: of("sum"),
  };
}

export async function measureGrowth(bench: Bench, run: RunOptions): Promise<Growth> {
  const sides: Side[] = [];
  try {
    const empty = await openSide(bench, "empty", [emptySale]);
    sides.push(empty);
    say(`  loading ${SALES} sales with ${WINNERS_PER_SALE} winners each`);
    const loaded = await openSide(bench, "loaded", soldSales(SALES));
    sides.push(loaded);
    for (let round = 0; round < ROUNDS; round++) {
      await leg(empty, run);
      await leg(loaded, run);
    }
    const before = middle(empty.legs);
    const after = middle(loaded.legs);
    return {
      ...{ sales: SALES, winners: SALES * WINNERS_PER_SALE, empty: before, loaded: after },
      ...{ ratio: after.sum / before.sum, apiRatio: after.api / before.api },
      emptyStartMs: median(empty.startsMs),
      loadedStartMs: median(loaded.startsMs),
      legs: [...empty.legs, ...loaded.legs],
    };
  } finally {
    for (const { system } of sides) await system.close();
  }
}

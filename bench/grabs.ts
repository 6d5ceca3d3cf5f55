// The scenarios of grabs: won, lost, mixed. Each is run on a system of its own.

import { saleKeys } from "../src/redis/keys.ts";
import { auditSales, untilPersisted, untilTrimmed } from "./audit.ts";
import type { Figure } from "./figures.ts";
import type { LoadResult } from "./protocol.ts";
import { customer, requestText } from "./requests.ts";
import { measure, type RunOptions } from "./scenario.ts";
import { couponName, makeCoupon } from "./stock.ts";
import { type Bench, openSystem, type System } from "./system.ts";

const ENDLESS = 10_000_000;
const LOST_STOCK = 1_000;
/** In the mixed scenario each sale has this stock and gets a hundred times as many attempts. */
const MIXED_STOCK = 100;
const MIXED_ATTEMPTS = 100 * MIXED_STOCK;
const WON = "201";

export type Limits = "on" | "off";

/**
 * Writes grabs of users who have not been here yet, from the arrival `arrived` on; `nameOf` chooses the coupon
 * of the nth request of a file.
 */
export function grabRequests(system: System, nameOf: (index: number) => string, arrived = 0) {
  return requestsOf(system, arrived, "PATCH", (index, token) => ({
    path: `/api/users/${system.seller.username}/coupons/${nameOf(index)}`,
    authorization: token,
  }));
}

/** Writes grabs of users from the arrival `arrived` on; `grabOf` says how the nth of a file looks. */
export function requestsOf(
  system: System,
  arrived: number,
  method: string,
  grabOf: (index: number, token: string) => { path: string; authorization: string },
) {
  let next = arrived;
  const { mint } = system.bench;
  return (count: number) => {
    const first = next;
    next += count;
    return system.requests(count, (index) => {
      const token = mint.token(customer(first + index));
      const { path, authorization } = grabOf(index, token);
      return requestText(method, path, { Authorization: authorization });
    });
  };
}

const wonOf = (...loads: LoadResult[]): number =>
  loads.reduce((sum, load) => sum + (load.answeredInAll[WON] ?? 0), 0);

const usedMemory = async ({ redis }: System): Promise<number> =>
  Number(/used_memory:(\d+)/.exec(await redis.info("memory"))?.[1]);

interface Sale {
  readonly id: number;
  readonly name: string;
  /** Winners that were there before. */
  readonly loaded: number;
  /** The first arrival who has not tried yet. */
  readonly firstArrival: number;
}

/** Every request is another user's, and wins. */
export async function measureWon(
  system: System,
  run: RunOptions,
  sale: Sale,
  makeRequests = grabRequests(system, () => sale.name, sale.firstArrival),
) {
  const ids = [sale.id];
  const { winners } = saleKeys(sale.id);
  let memory = 0;
  let grants = 0;
  const measured = await measure(system, run, makeRequests, {
    async warmed() {
      await untilTrimmed(system, ids);
      memory = await usedMemory(system);
      grants = await system.redis.hlen(winners);
    },
    async settle(load) {
      const persistedAt = await untilPersisted(system, ids);
      await untilTrimmed(system, ids);
      const more = (await system.redis.hlen(winners)) - grants;
      return {
        persistMs: Math.max(0, persistedAt - load.lastWonAt),
        bytesPerGrant: ((await usedMemory(system)) - memory) / more,
        grantsInMemory: more,
      };
    },
  });
  const confirmed = wonOf(measured.warmUp, measured.load);
  return { ...measured.figure, audit: await auditSales(system, ids, confirmed, sale.loaded) };
}

async function won(system: System, run: RunOptions) {
  const name = couponName(1);
  const id = await makeCoupon(system, { name, amount: ENDLESS });
  return measureWon(system, run, { id, name, loaded: 0, firstArrival: 0 });
}

/** The warm-up takes the stock; in the measured load everybody comes too late, twice. */
async function lost(system: System, run: RunOptions) {
  const name = couponName(1);
  const ids = [await makeCoupon(system, { name, amount: LOST_STOCK })];
  const makeRequests = grabRequests(system, () => name);
  const measured = await measure(system, { ...run, rounds: 2 }, makeRequests, {
    warmed: () => untilTrimmed(system, ids),
  });
  const confirmed = wonOf(measured.warmUp, measured.load);
  return { ...measured.figure, audit: await auditSales(system, ids, confirmed) };
}

/** One sale after the other, each with stock for the first hundredth of those who come. */
async function mixed(system: System, run: RunOptions) {
  const ids: number[] = [];
  let first = 0;
  const makeRequests = grabRequests(system, (index) =>
    couponName(first + Math.floor(index / MIXED_ATTEMPTS)),
  );
  const make = async (count: number) => {
    first = ids.length;
    for (let made = 0; made < count; made += MIXED_ATTEMPTS) {
      ids.push(await makeCoupon(system, { name: couponName(ids.length), amount: MIXED_STOCK }));
    }
    return makeRequests(count);
  };
  const measured = await measure(system, run, make, {
    async settle(load) {
      const persistedAt = await untilPersisted(system, ids);
      await untilTrimmed(system, ids);
      return { persistMs: Math.max(0, persistedAt - load.lastWonAt) };
    },
  });
  const confirmed = wonOf(measured.warmUp, measured.load);
  return { ...measured.figure, audit: await auditSales(system, ids, confirmed) };
}

export const GRABS = { won, lost, mixed } as const;

/** Runs one scenario of grabs on an empty system. */
export async function runGrabs(
  bench: Bench,
  scenario: keyof typeof GRABS,
  limits: Limits,
  run: RunOptions,
): Promise<Figure> {
  const system = await openSystem(bench);
  try {
    await system.start(limits);
    return { scenario, limits, ...(await GRABS[scenario](system, run)) };
  } finally {
    await system.close();
  }
}

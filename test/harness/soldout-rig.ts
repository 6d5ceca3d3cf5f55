// The memory of sold-out sales, over a Redis that is a pair of maps and clocks that the test moves.

import { Gates, type OpenGate } from "../../src/grab/gates.ts";
import { SoldOut } from "../../src/grab/soldout.ts";
import { createLog } from "../../src/log.ts";
import type { Redis } from "../../src/redis/client.ts";
import { saleKeys, shardOf } from "../../src/redis/keys.ts";

export const SALE = 35;

interface Sale {
  facts: Record<string, string>;
  winners: Map<string, string>;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Lets a snapshot be taken or checked: a handful of answers, each of which comes at once. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 200; i += 1) await turn();
}

/** One of limit one whose winners are u1, u2 and so on. */
export function soldOutSale(winners: number): Sale {
  return {
    facts: {
      ...{ state: "open", total: String(winners), granted: String(winners) },
      ...{ returned: "0", limit: "1" },
    },
    winners: new Map(Array.from({ length: winners }, (_, i) => [`u${i + 1}`, String(i + 1)])),
  };
}

/** The memory, and all that it asks. */
export function soldOutRig(sale: Sale = soldOutSale(3)) {
  const sales = new Map([[SALE, sale]]);
  const asked = { numbers: 0, pages: 0 };
  /** How far Redis's clock is before this process's. */
  const ahead = { ms: 0 };
  /** Called before each page of a scan; what happens to a sale in the middle of it. */
  const meanwhile = { page: () => {}, away: false };
  const saleOf = (key: string) =>
    [...sales].find(([id]) => key === saleKeys(id).sale || key === saleKeys(id).winners)?.[1];
  const redis = {
    time() {
      const now = clock.time + ahead.ms;
      return Promise.resolve([String(Math.floor(now / 1_000)), String((now % 1_000) * 1_000)]);
    },
    hmget(key: string, ...fields: string[]) {
      asked.numbers += 1;
      if (meanwhile.away) return Promise.reject(new Error("Command timed out"));
      return Promise.resolve(fields.map((field) => saleOf(key)?.facts[field] ?? null));
    },
    hscan(key: string, cursor: string) {
      asked.pages += 1;
      meanwhile.page();
      const all = [...(saleOf(key)?.winners ?? [])];
      const next = Number(cursor) + 1_000;
      const page = all.slice(Number(cursor), next).flat();
      return Promise.resolve([next < all.length ? String(next) : "0", page]);
    },
  };
  const clock = { time: 1_800_000_000_000, now: () => clock.time };
  const gates = new Gates(() => {});
  for (const id of [SALE, SALE + 1, SALE + 2]) gates.open(shardOf(id), 1, "one");
  const soldOut = new SoldOut({
    ...{ redis: redis as unknown as Redis, gates, clock, log: createLog("silent") },
  });
  const notice = async (saleId = SALE) => {
    soldOut.notice(saleId, gates.at(shardOf(saleId)) as OpenGate);
    await settle();
  };
  return { sale, sales, asked, ahead, meanwhile, clock, gates, soldOut, notice };
}

// How long grabs are closed when Redis loses something, beside sales that have sold much: from the fault to the
// first grab that is won again, and which command kept Redis longest.

import { sql } from "drizzle-orm";
import { recoveries } from "../src/ledger/table.ts";
import { saleKeys } from "../src/redis/keys.ts";
import { auditSales, untilPersisted } from "./audit.ts";
import { customer } from "./requests.ts";
import { couponName, type LoadedSale, loadSales } from "./stock.ts";
import { type Bench, openSystem, type System, say } from "./system.ts";

const STOCK = 10_000_000;
const ASK_EVERY_MS = 10;
const OPEN_MS_MAX = 120_000;
/** Winners who were loaded come from arrivals that nobody of the run uses. */
const LOADED_FROM = 500_000_000;
const SLOWLOG_MICROS = 1_000;

/** One fault on a system with so many grants. */
export interface RecoveryFigure {
  readonly fault: string;
  readonly grants: number;
  /** From the fault to the first won grab, milliseconds. */
  readonly closedMs: number;
  /** From Redis's first answer to the first won grab; the same where Redis never went away. */
  readonly afterRedisMs: number;
  /** The longest time that one command kept Redis busy, milliseconds, and which it was. */
  readonly slowestMs: number;
  readonly slowest: string;
  readonly salesRebuilt: number;
  readonly voids: number;
  readonly agrees: boolean;
}

interface Fault {
  readonly name: string;
  readonly grants: number;
  /** Does it; gives when Redis answered again, where it did not all the time. */
  strike(system: System): Promise<number | undefined>;
}

const SALE: LoadedSale = {
  ...{ id: 1, winners: 0, total: STOCK },
  winner: (number) => LOADED_FROM + number,
};

const FAULTS: readonly Fault[] = [
  {
    ...{ name: "Redis forgets its scripts (nothing is lost)", grants: 100_000 },
    async strike({ redis }) {
      await redis.script("FLUSH");
      return undefined;
    },
  },
  {
    ...{ name: "Redis is killed with -9 and starts again", grants: 100_000 },
    async strike({ redisServer: server }) {
      await server.process.kill("SIGKILL");
      await server.process.start();
      return performance.now();
    },
  },
  {
    ...{ name: "a sale's counter goes back, its winners stay", grants: 1_000_000 },
    async strike({ redis }) {
      await redis.hset(saleKeys(SALE.id).sale, { granted: 7, recorded: 7 });
      await redis.script("FLUSH");
      return undefined;
    },
  },
  {
    ...{ name: "Redis is emptied", grants: 1_000_000 },
    async strike({ redis }) {
      await redis.flushall();
      return undefined;
    },
  },
];

let arrivals = 0;

/** Grabs with ever new customers until one wins. */
async function untilWon(system: System): Promise<void> {
  const path = `/api/users/${system.seller.username}/coupons/${couponName(SALE.id)}`;
  const deadline = performance.now() + OPEN_MS_MAX;
  for (;;) {
    system.bench.stop.throwIfAborted();
    const token = system.bench.mint.token(customer(arrivals++));
    const { status } = await fetch(system.url() + path, {
      ...{ method: "PATCH", headers: { Authorization: token } },
    });
    if (status === 201) return;
    if (performance.now() > deadline) throw new Error(`grabs did not open again: ${status}`);
    await Bun.sleep(ASK_EVERY_MS);
  }
}

/** The longest command that Redis has noted. Loading scripts and what the bench itself did are left out. */
async function slowestOf({ redis }: System): Promise<{ slowestMs: number; slowest: string }> {
  const entries = (await redis.slowlog("GET", 1_000)) as [unknown, unknown, number, string[]][];
  const own = entries.filter(([, , , [command = ""]]) => !/^flushall$/i.test(command));
  const [, , micros = 0, words = []] = own.toSorted(([, , a], [, , b]) => b - a)[0] ?? [];
  return { slowestMs: micros / 1_000, slowest: words.slice(0, 2).join(" ").slice(0, 60) };
}

async function suffer(bench: Bench, { name, grants, strike }: Fault): Promise<RecoveryFigure> {
  say(`  ${name}, ${grants} grants`);
  const system = await openSystem(bench);
  try {
    await loadSales(system, [{ ...SALE, winners: grants }]);
    await system.start("off");
    await untilWon(system);
    await untilPersisted(system, [SALE.id]);
    await system.redis.config("SET", "slowlog-log-slower-than", SLOWLOG_MICROS);
    await system.redis.slowlog("RESET");
    const firstArrival = arrivals;
    const struckAt = performance.now();
    const answeredAt = (await strike(system)) ?? struckAt;
    await untilWon(system);
    const wonAt = performance.now();
    await untilPersisted(system, [SALE.id]);
    const [row] = await system.database.db
      .select({
        salesRebuilt: sql<number>`SUM(sales_rebuilt)`.mapWith(Number),
        voids: sql<number>`SUM(voids)`.mapWith(Number),
      })
      .from(recoveries);
    const { agrees } = await auditSales(system, [SALE.id], 2, grants);
    say(`    ${Math.round(wonAt - struckAt)} ms, ${arrivals - firstArrival} grabs asked`);
    return {
      ...{ fault: name, grants, closedMs: wonAt - struckAt, afterRedisMs: wonAt - answeredAt },
      ...(await slowestOf(system)),
      ...{ salesRebuilt: row?.salesRebuilt ?? 0, voids: row?.voids ?? 0, agrees },
    };
  } finally {
    await system.close();
  }
}

/** Every fault on a system of its own. */
export async function measureRecovery(bench: Bench): Promise<RecoveryFigure[]> {
  const figures: RecoveryFigure[] = [];
  for (const fault of FAULTS) figures.push(await suffer(bench, fault));
  return figures;
}

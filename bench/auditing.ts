// How long `doorbuster audit` takes over a million grants, how much memory, and how long it holds up Redis; beside
// a service that runs.

import { peakResidentBytes } from "../test/harness/memory.ts";
import { type LoadedSale, loadSales } from "./stock.ts";
import { type Bench, openSystem, say } from "./system.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const GRANTS = 1_000_000;
/** Every command that takes longer is looked at, microseconds. */
const SLOW_MICROSECONDS = 1_000;
const SLOWEST_KEPT = 1_000;
/** How often its memory is looked at. */
const LOOK_EVERY_MS = 10;

export interface Auditing {
  readonly grants: number;
  readonly seconds: number;
  readonly megabytes: number;
  /** The longest that one command held up Redis, milliseconds; 1 when none was longer than that. */
  readonly slowestMs: number;
  readonly clean: boolean;
}

const sale: LoadedSale = { id: 1, winners: GRANTS, total: GRANTS, winner: (number) => number };

export async function measureAuditing(bench: Bench): Promise<Auditing> {
  const system = await openSystem(bench);
  try {
    say(`  loading ${GRANTS} winners`);
    await loadSales(system, [sale]);
    await system.start("on");
    const { redis, servers } = system;
    await redis.config("SET", "slowlog-log-slower-than", SLOW_MICROSECONDS);
    await redis.config("SET", "slowlog-max-len", SLOWEST_KEPT);
    await redis.call("SLOWLOG", "RESET");
    const { PATH = "", HOME = "" } = process.env;
    const startedAt = performance.now();
    const child = Bun.spawn([process.execPath, "--no-env-file", "src/cli/main.ts", "audit"], {
      ...{ cwd: ROOT, env: { PATH, HOME, ...servers } },
      ...{ stdin: "ignore", stdout: "inherit", stderr: "inherit" },
      signal: bench.stop,
    });
    let peakBytes = 0;
    const looking = setInterval(() => {
      peakBytes = peakResidentBytes(child.pid) ?? peakBytes;
    }, LOOK_EVERY_MS);
    const code = await child.exited.finally(() => clearInterval(looking));
    const seconds = (performance.now() - startedAt) / 1_000;
    const slow = (await redis.call("SLOWLOG", "GET", SLOWEST_KEPT)) as [number, number, number][];
    return {
      ...{ grants: GRANTS, seconds, clean: code === 0 },
      megabytes: peakBytes / 1024 / 1024,
      slowestMs: Math.max(SLOW_MICROSECONDS, ...slow.map(([, , micros]) => micros)) / 1_000,
    };
  } finally {
    await system.close();
  }
}

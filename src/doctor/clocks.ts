// Whether the clocks agree. Redis's decides when a sale opens, MySQL's decides whose lease has run out, and this
// machine's stands in tokens: when they differ, a sale opens early or late for those who look at another.

import { sql } from "drizzle-orm";
import type { Clock } from "../clock.ts";
import type { Database } from "../db/client.ts";
import { limits } from "../limits.ts";
import type { Redis } from "../redis/client.ts";
import { type Check, ok, warning } from "./check.ts";

/** How far another clock is ahead of this machine's, and by how much that may be wrong. */
export interface ClockOffset {
  readonly name: string;
  readonly aheadMs: number;
  readonly errorMs: number;
}

/** Asks a clock some times; the answer that came fastest is the surest. Throws what `ask` throws. */
async function offsetOf(
  name: string,
  clock: Clock,
  ask: () => Promise<number>,
): Promise<ClockOffset> {
  let best: ClockOffset | undefined;
  for (let i = 0; i < limits.doctorClockReadings; i += 1) {
    const before = clock.now();
    const started = performance.now();
    const there = await ask();
    const errorMs = (performance.now() - started) / 2;
    if (!best || errorMs < best.errorMs) {
      best = { name, aheadMs: there - (before + errorMs), errorMs };
    }
  }
  return best as ClockOffset;
}

export const redisClock = (redis: Redis, clock: Clock): Promise<ClockOffset> =>
  offsetOf("Redis", clock, async () => {
    const [seconds = 0, microseconds = 0] = (await redis.time()).map(Number);
    return seconds * 1_000 + microseconds / 1_000;
  });

export const mysqlClock = (db: Database, clock: Clock): Promise<ClockOffset> =>
  offsetOf("MySQL", clock, async () => {
    const [rows] = await db.execute(sql`SELECT UNIX_TIMESTAMP(NOW(3)) * 1000 AS now`);
    return Number((rows as unknown as { now: string }[])[0]?.now);
  });

/** One check for each pair of clocks; this machine is the clock from which the offsets are measured. */
export function judgeClocks(offsets: readonly ClockOffset[]): Check[] {
  const here: ClockOffset = { name: "this machine", aheadMs: 0, errorMs: 0 };
  const pairs = offsets.flatMap((one, i) =>
    [here, ...offsets.slice(0, i)].map((other) => [one, other] as const),
  );
  return pairs.map(([one, other]) => {
    const name = `clocks of ${one.name} and ${other.name}`;
    const difference = one.aheadMs - other.aheadMs;
    const error = one.errorMs + other.errorMs;
    const side = difference < 0 ? "behind" : "ahead of";
    if (Math.abs(difference) - error <= limits.doctorClockDifferenceMs) {
      return ok(name, `${Math.abs(Math.round(difference))} ms apart`);
    }
    return warning(
      name,
      `${one.name} is ${Math.abs(Math.round(difference))} ms ${side} ${other.name}`,
      "Let all machines follow one time service (chronyc tracking, timedatectl). Redis's clock decides when a sale opens.",
    );
  });
}

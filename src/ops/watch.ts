// What can happen to a Redis while nobody grabs: it is restarted, its scripts are flushed, its settings are
// changed. A shard that nobody asks would stay open in name only, and its first grab would pay for it.

import type { Durability } from "../config.ts";
import { reasonOf } from "../db/errors.ts";
import type { Gates } from "../grab/gates.ts";
import { isStillOpen } from "../grab/probe.ts";
import { limits } from "../limits.ts";
import type { Log } from "../log.ts";
import type { Redis } from "../redis/client.ts";
import { allShards } from "../redis/keys.ts";
import { redisProblems } from "../redis/settings.ts";

interface WatchDeps {
  readonly redis: Redis;
  readonly gates: Gates;
  readonly durability: Durability;
  readonly log: Log;
}

/** Looks at the gates every second and at the settings every minute, until the signal. */
export function watchRedis(
  { redis, gates, durability, log }: WatchDeps,
  stopping: AbortSignal,
): void {
  const lookAtGates = async (): Promise<void> => {
    await Promise.all(
      allShards.map(async (shard) => {
        const gate = gates.at(shard);
        if (gate) await isStillOpen({ redis, gates }, shard, gate);
      }),
    );
  };
  const lookAtSettings = async (): Promise<void> => {
    const problems = await redisProblems(redis, durability);
    if (problems.length === 0) return;
    log.error({ problems }, "redis has been set up wrongly; grabs are closed");
    for (const shard of allShards) {
      const gate = gates.at(shard);
      if (gate) gates.close(shard, gate, problems.join("; "));
    }
  };
  const repeat = (look: () => Promise<void>, milliseconds: number): void => {
    const timer = setInterval(() => {
      look().catch((error) =>
        log.debug({ reason: reasonOf(error) }, "redis could not be looked at"),
      );
    }, milliseconds);
    stopping.addEventListener("abort", () => clearInterval(timer), { once: true });
  };
  repeat(lookAtGates, limits.gateCheckMs);
  repeat(lookAtSettings, limits.redisSettingsCheckMs);
}

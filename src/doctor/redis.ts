// Redis: settings, append-only file, replicas, connections, and how fast it answers.

import type { Durability } from "../config.ts";
import { limits } from "../limits.ts";
import type { Redis } from "../redis/client.ts";
import { allShards } from "../redis/keys.ts";
import { primaryProblems, redisProblems } from "../redis/settings.ts";
import { type Check, failure, none, ok, warning } from "./check.ts";
import { fieldsOf } from "./info.ts";

/** Grabs, reads, subscriber, worker; and a reader for each shard that a process has a lease on. */
const CONNECTIONS_PER_PROCESS = 4 + allShards.length;

/** `processes` is how many of the service are counted with. Throws when Redis does not answer. */
export async function checkRedis(
  redis: Redis,
  { durability, processes }: { durability: Durability; processes: number },
): Promise<Check[]> {
  const info = fieldsOf(await redis.info());
  return [
    none("redis settings", await redisProblems(redis, durability), {
      well: `${info.get("redis_version")}, ${durability}, nothing is evicted`,
      advice:
        "The service does not start like this. Set it in Redis's configuration file as well, or set DURABILITY as the service has it.",
    }),
    none("redis can be written to", await primaryProblems(redis), {
      well: roleInWords(info),
      advice:
        "Point REDIS_URL at the primary; look at Redis's log and at the room on its disk. Until then every grab is refused.",
    }),
    judgeRewrite(info),
    judgeClients(info, processes),
    judgeSpeed(await roundTrips(redis), Number(info.get("aof_delayed_fsync") ?? 0)),
  ];
}

type Info = ReadonlyMap<string, string>;

const roleInWords = (info: Info): string => {
  const replicas = Number(info.get("connected_slaves") ?? 0);
  if (replicas === 0) return "a primary without replicas";
  const them = `${replicas} ${replicas === 1 ? "replica" : "replicas"}`;
  return `a primary with ${them}; a failover may lose what has not reached them`;
};

export function judgeRewrite(info: Info): Check {
  const name = "redis file rewrite";
  if (info.get("aof_last_bgrewrite_status") === "err") {
    return warning(
      name,
      "the last one failed",
      "Look at Redis's log, at the room on its disk and at vm.overcommit_memory, then: BGREWRITEAOF. Without rewrites the append-only file grows and a restart takes longer.",
    );
  }
  if (info.get("aof_rewrite_in_progress") === "1") {
    return warning(
      name,
      "one is in progress",
      "Wait until it has ended before the sale opens: it takes disk and memory from the grabs.",
    );
  }
  return ok(name, "none in progress, the last one succeeded");
}

/** Whether Redis admits the connections that these processes open. */
export function judgeClients(info: Info, processes: number): Check {
  const name = "redis connections";
  const allowed = Number(info.get("maxclients") ?? 0);
  const needed = processes * CONNECTIONS_PER_PROCESS;
  const found = `maxclients ${allowed}; ${processes} processes need up to ${needed}`;
  if (allowed >= needed) return ok(name, found);
  return failure(
    name,
    found,
    `CONFIG SET maxclients ${Math.max(1_000, needed * 2)}; where it answers that the system does not allow it, raise the limit of open files for Redis first (LimitNOFILE in its unit, or ulimit -n).`,
  );
}

/** Milliseconds of some PINGs, one after the other. */
async function roundTrips(redis: Redis): Promise<number[]> {
  const taken: number[] = [];
  for (let i = 0; i < limits.doctorPings; i += 1) {
    const start = performance.now();
    await redis.ping();
    taken.push(performance.now() - start);
  }
  return taken;
}

export function judgeSpeed(pingsMs: readonly number[], delayedFsyncs: number): Check {
  const name = "redis speed";
  const sorted = pingsMs.toSorted((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  const found = `a PING takes ${median.toFixed(1)} ms, ${(sorted.at(-1) ?? 0).toFixed(1)} ms at worst; ${delayedFsyncs} delayed fsyncs since its start`;
  if (median > limits.doctorPingSlowMs) {
    return warning(
      name,
      found,
      "Every grab waits that long and more: bring the service nearer to Redis, and look at SLOWLOG GET and at what else its machine does.",
    );
  }
  if (delayedFsyncs > 0) {
    return warning(
      name,
      found,
      "The disk has kept Redis waiting: give the append-only file a disk of its own, or a faster one.",
    );
  }
  return ok(name, found);
}

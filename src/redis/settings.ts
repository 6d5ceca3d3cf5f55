// A Redis that may evict keys, or that does not keep what it acknowledged, cannot hold the promises of this
// service. It is refused at start and looked at again every minute.

import type { Durability } from "../config.ts";
import type { Redis } from "./client.ts";

const VERSION_MIN = [7, 0] as const;

/**
 * Compares a Redis with what `durability` demands. Returns one sentence per fault, each with its mend;
 * empty when all is well. Throws when Redis does not answer.
 */
export async function redisProblems(redis: Redis, durability: Durability): Promise<string[]> {
  const info = await redis.info("server");
  const version = /redis_version:(\d+)\.(\d+)\.(\d+)/.exec(info);
  const problems: string[] = [];
  const [major = 0, minor = 0] = version?.slice(1).map(Number) ?? [];
  if (major < VERSION_MIN[0] || (major === VERSION_MIN[0] && minor < VERSION_MIN[1])) {
    problems.push(`Redis is ${version?.[0] ?? "of unknown version"}; 7.0 or newer is needed`);
  }
  const wanted: Record<string, string> = {
    ...{ "maxmemory-policy": "noeviction", appendonly: "yes" },
    ...(durability === "durable"
      ? { appendfsync: "always", "no-appendfsync-on-rewrite": "no" }
      : { appendfsync: "everysec" }),
  };
  const list = (await redis.call("CONFIG", "GET", ...Object.keys(wanted))) as string[];
  for (const [name, value] of Object.entries(wanted)) {
    const at = list.indexOf(name);
    const found = at < 0 ? "unset" : list[at + 1];
    if (found === value) continue;
    problems.push(`Redis has ${name} ${found}; it must be ${value}: CONFIG SET ${name} ${value}`);
  }
  return problems;
}

const factIn = (info: string, name: string): string | undefined =>
  new RegExp(`^${name}:(.*?)\\r?$`, "m").exec(info)?.[1];

/**
 * Whether this Redis can be written to and keeps it: a primary, loaded, with an append-only file that it can
 * write. Returns one sentence per fault; empty when all is well. Throws when Redis does not answer.
 */
export async function primaryProblems(redis: Redis): Promise<string[]> {
  const info = `${await redis.info("replication")}${await redis.info("persistence")}`;
  const problems: string[] = [];
  if (factIn(info, "role") !== "master") problems.push("redis is not a primary");
  if (factIn(info, "loading") !== "0") problems.push("redis is still loading its data");
  if (factIn(info, "aof_last_write_status") !== "ok")
    problems.push("redis cannot write its append-only file: see to its disk");
  return problems;
}

/** Names one life of a Redis: a restarted one has another. Throws when Redis does not answer. */
export async function runIdOf(redis: Redis): Promise<string> {
  const id = factIn(await redis.info("server"), "run_id");
  if (!id) throw new Error("redis does not tell its run_id");
  return id;
}

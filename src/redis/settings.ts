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
  const setting = async (name: string) => ((await redis.config("GET", name)) as string[])[1] ?? "";
  const expect = async (name: string, wanted: string) => {
    const found = await setting(name);
    if (found !== wanted) {
      problems.push(
        `Redis has ${name} ${found || "unset"}; it must be ${wanted}: CONFIG SET ${name} ${wanted}`,
      );
    }
  };
  await expect("maxmemory-policy", "noeviction");
  await expect("appendonly", "yes");
  await expect("appendfsync", durability === "durable" ? "always" : "everysec");
  if (durability === "durable") await expect("no-appendfsync-on-rewrite", "no");
  return problems;
}

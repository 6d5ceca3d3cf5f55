// Reading many things in one round trip, also by scripts that only read. Such a script is no part of the
// fence (see script.ts): it decides nothing, has no incarnation, and whoever finds it missing loads it.

import { createHash } from "node:crypto";
import type { ChainableCommander } from "ioredis";
import type { Redis } from "./client.ts";

/** Redis did not answer, or not with a result; whoever reads may have another source. */
export class RedisAway extends Error {
  override readonly name = "RedisAway";
}

export interface ReadScript {
  readonly sha: string;
  readonly text: string;
}

/** `source` is the text of a `.lua` file that may not write. */
export function readScript(source: string): ReadScript {
  if (!source.startsWith("#!lua flags=no-writes\n")) {
    throw new Error(
      "a script that reads must be imported as text and be declared to write nothing",
    );
  }
  return { sha: createHash("sha1").update(source).digest("hex"), text: source };
}

/** Puts a call of a script into a pipeline. */
export function callScript(
  pipeline: ChainableCommander,
  script: ReadScript,
  keys: readonly string[],
  ...args: (string | number)[]
): void {
  pipeline.call("EVALSHA_RO", script.sha, keys.length, ...keys, ...args);
}

async function send(
  redis: Redis,
  fill: (pipeline: ChainableCommander) => void,
  isHarmless: (error: Error) => boolean = () => false,
): Promise<unknown[] | Error> {
  const pipeline = redis.pipeline();
  fill(pipeline);
  const replies = (await pipeline.exec()) ?? [];
  const failed = replies.find(([error]) => error && !isHarmless(error));
  return failed?.[0] ?? replies.map(([error, reply]) => (error ? undefined : reply));
}

/**
 * The replies to the commands that `fill` puts into a pipeline. Throws RedisAway when any of them failed.
 * `script` is loaded if it is missing.
 */
export async function readMany(
  redis: Redis,
  fill: (pipeline: ChainableCommander) => void,
  script?: ReadScript,
): Promise<unknown[]> {
  let replies = await send(redis, fill);
  if (script && replies instanceof Error && replies.message.startsWith("NOSCRIPT")) {
    await redis.script("LOAD", script.text).catch(() => undefined);
    replies = await send(redis, fill);
  }
  if (replies instanceof Error) throw new RedisAway("a reading failed", { cause: replies });
  return replies;
}

/**
 * As `readMany`, for commands on one key each: undefined for a key of another type than the command's, which somebody
 * else has put there. It costs whoever needs that key, and not all that are read with it.
 */
export async function readEach(
  redis: Redis,
  fill: (pipeline: ChainableCommander) => void,
): Promise<unknown[]> {
  const replies = await send(redis, fill, ({ message }) => message.startsWith("WRONGTYPE"));
  if (replies instanceof Error) throw new RedisAway("a reading failed", { cause: replies });
  return replies;
}

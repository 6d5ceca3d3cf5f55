// What moves of the sales that are watched, read for all of them at once: one pipeline with one script call per shard.

import type { Redis } from "../redis/client.ts";
import { saleKeys, shardOf } from "../redis/keys.ts";
import { callScript, readMany, readScript } from "../redis/reading.ts";
import { countIn, instantIn } from "../sales/fields.ts";
import source from "./facts.lua" with { type: "text" };

export interface WatchedFacts {
  readonly state: string;
  readonly total: number;
  readonly granted: number;
  readonly returned: number;
  /** Milliseconds since the epoch. */
  readonly opensAt: number | null;
  readonly closesAt: number | null;
  /** When they were so, by Redis's clock, milliseconds since the epoch. */
  readonly asOf: number;
}

const script = readScript(source);
const WORDS_PER_SALE = 6;

function factsIn(words: readonly string[], asOf: number): WatchedFacts | undefined {
  const [state, ...fields] = words.map((word) => (word === "-" ? null : word));
  if (!state) return undefined;
  const [total, granted, returned] = fields.map(countIn);
  const [opensAt, closesAt] = [instantIn(fields[3]), instantIn(fields[4])];
  if (total === undefined || granted === undefined || returned === undefined) return undefined;
  if (opensAt === undefined || closesAt === undefined) return undefined;
  return { state, total, granted, returned, opensAt, closesAt, asOf };
}

/** By sale; those are missing that Redis does not have whole. Throws RedisAway. */
export async function readFacts(
  redis: Redis,
  saleIds: readonly number[],
): Promise<Map<number, WatchedFacts>> {
  const shards = [...Map.groupBy(saleIds, shardOf).values()];
  const replies = await readMany(
    redis,
    (pipeline) => {
      for (const ids of shards) {
        const keys = ids.map((id) => saleKeys(id).sale);
        callScript(pipeline, script, keys);
      }
    },
    script,
  );
  const found = new Map<number, WatchedFacts>();
  for (const [shard, ids] of shards.entries()) {
    const [asOf, ...words] = (replies[shard] as string).split(" ");
    for (const [place, id] of ids.entries()) {
      const first = place * WORDS_PER_SALE;
      const facts = factsIn(words.slice(first, first + WORDS_PER_SALE), Number(asOf));
      if (facts) found.set(id, facts);
    }
  }
  return found;
}

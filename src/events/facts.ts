// What moves of the sales that are watched, read for all of them at once: one pipeline with one script call per shard.

import type { Redis } from "../redis/client.ts";
import { saleKeys, shardOf } from "../redis/keys.ts";
import { callScript, readMany, readScript } from "../redis/reading.ts";
import source from "./facts.lua" with { type: "text" };

export interface SaleFacts {
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

const timeIn = (word: string | undefined): number | null =>
  word === undefined || word === "-" ? null : Number(word);

function factsIn(words: readonly string[], asOf: number): SaleFacts | undefined {
  const [state = "-", total, granted, returned, opens, closes] = words;
  if (state === "-") return undefined;
  return {
    ...{ state, total: Number(total), granted: Number(granted), returned: Number(returned) },
    ...{ opensAt: timeIn(opens), closesAt: timeIn(closes), asOf },
  };
}

/** By sale; those are missing that Redis does not have. Throws RedisAway. */
export async function readFacts(
  redis: Redis,
  saleIds: readonly number[],
): Promise<Map<number, SaleFacts>> {
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
  const found = new Map<number, SaleFacts>();
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

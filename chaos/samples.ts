// What must stay bounded, looked at twice a second: the memory of the service and the length of its streams.

import { readFileSync } from "node:fs";
import { allShards, shardKeys } from "../src/redis/keys.ts";
import type { ChaosSystem } from "./system.ts";

const EVERY_MS = 500;
const PAGE_BYTES = 4_096;

export interface Samples {
  /** The most that any process of the service has held, in bytes; 0 where it cannot be seen. */
  memoryBytesMax: number;
  /** The most entries that all streams have held together. */
  streamEntriesMax: number;
  /** The same after the calm. */
  streamEntriesLeft: number;
  looks: number;
}

function memoryOf(pid: number | undefined): number {
  if (pid === undefined) return 0;
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * PAGE_BYTES;
  } catch {
    return 0;
  }
}

async function streamEntries({ redisClient }: ChaosSystem): Promise<number> {
  const pipeline = redisClient.pipeline();
  for (const shard of allShards) pipeline.xlen(shardKeys(shard).ledger);
  const answers = (await pipeline.exec()) ?? [];
  return answers.reduce((sum, [error, length]) => sum + (error ? 0 : Number(length)), 0);
}

/** Looks until it is ended; `end` looks a last time. */
export function startSampling(system: ChaosSystem): { end(): Promise<Samples> } {
  const seen: Samples = {
    ...{ memoryBytesMax: 0, streamEntriesMax: 0, streamEntriesLeft: 0, looks: 0 },
  };
  const look = async (): Promise<void> => {
    seen.looks++;
    for (const { pid } of system.apis) {
      seen.memoryBytesMax = Math.max(seen.memoryBytesMax, memoryOf(pid));
    }
    // While Redis is away there is nothing to be seen of it.
    seen.streamEntriesLeft = await streamEntries(system).catch(() => seen.streamEntriesLeft);
    seen.streamEntriesMax = Math.max(seen.streamEntriesMax, seen.streamEntriesLeft);
  };
  const timer = setInterval(() => void look(), EVERY_MS);
  return {
    async end() {
      clearInterval(timer);
      await look();
      return seen;
    },
  };
}

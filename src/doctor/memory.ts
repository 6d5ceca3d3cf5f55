// Whether Redis has room for what is still to be sold. A grant that Redis has no memory for is refused, which is
// safe; but then the sale stands still with units left.

import { sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import type { Redis } from "../redis/client.ts";
import { type Check, failure, ok, warning } from "./check.ts";
import { fieldsOf } from "./info.ts";

/** The larger of the README's figures for a grant in Redis: its place in the hash of winners. */
const GRANT_BYTES = 81;
/** For the ledger's entries while MySQL is behind, for hash tables that double, and for fragmentation. */
const MARGIN = 2;

export interface MemoryFacts {
  readonly usedBytes: number;
  /** 0 where Redis has no limit of its own. */
  readonly limitBytes: number;
  /** Of the machine that Redis runs on; 0 where it does not say. */
  readonly machineBytes: number;
  readonly grantsToCome: number;
}

const mebibytes = (bytes: number): string =>
  `${Math.ceil(bytes / 2 ** 20).toLocaleString("en")} MiB`;

/** The verdict on these facts. */
export function judgeMemory(name: string, facts: MemoryFacts): Check {
  const { usedBytes, limitBytes, machineBytes, grantsToCome } = facts;
  const neededBytes = grantsToCome * GRANT_BYTES * MARGIN;
  const peakBytes = usedBytes + neededBytes;
  const room = limitBytes > 0 ? `maxmemory ${mebibytes(limitBytes)}` : "no maxmemory";
  const found = `${mebibytes(usedBytes)} used, ${mebibytes(neededBytes)} for ${grantsToCome.toLocaleString("en")} grants to come, ${room}`;
  if (limitBytes > 0 && peakBytes > limitBytes) {
    return failure(
      name,
      found,
      `Redis will refuse grabs before all is sold: CONFIG SET maxmemory ${Math.ceil(peakBytes * 1.1)}, and the same in its configuration file.`,
    );
  }
  if (machineBytes > 0 && peakBytes > machineBytes) {
    return failure(
      name,
      `${found}, ${mebibytes(machineBytes)} in the machine`,
      "The machine has too little memory for the sale: give Redis a larger one.",
    );
  }
  // The rewrite of the append-only file works on a fork: each page that a grab writes meanwhile is copied.
  if (machineBytes > 0 && peakBytes * 2 > machineBytes) {
    return warning(
      name,
      `${found}, ${mebibytes(machineBytes)} in the machine`,
      "A rewrite of the append-only file during the sale may copy every page, and the machine has less than twice the memory: run BGREWRITEAOF before the sale, or give Redis a larger machine.",
    );
  }
  return ok(name, found);
}

/** Grants that the sales which are not over may still give away. */
async function grantsToCome(db: Database): Promise<number> {
  const [rows] = await db.execute(
    sql`SELECT SUM(total + returned - granted) AS units FROM sales WHERE closes_at IS NULL OR closes_at > UTC_TIMESTAMP(3)`,
  );
  return Number((rows as unknown as { units: string | null }[])[0]?.units ?? 0);
}

/** What Redis says of its memory. */
export async function memoryOf(redis: Redis): Promise<Omit<MemoryFacts, "grantsToCome">> {
  const info = fieldsOf(await redis.info("memory"));
  const bytes = (field: string) => Number(info.get(field) ?? 0);
  return {
    usedBytes: bytes("used_memory"),
    limitBytes: bytes("maxmemory"),
    machineBytes: bytes("total_system_memory"),
  };
}

export const checkMemory = async (redis: Redis, db: Database): Promise<Check[]> => [
  judgeMemory("memory for all sales", {
    ...(await memoryOf(redis)),
    grantsToCome: await grantsToCome(db),
  }),
];

// What moves of sales, at most a second old, for any number of readers: a process asks Redis for a sale at most every
// half second while it is read, many sales in one pipeline. A reader that finds nothing fresh waits for such a read.

import { LRUCache } from "lru-cache";
import type { Clock } from "../clock.ts";
import { limits } from "../limits.ts";
import type { Redis } from "../redis/client.ts";
import { createGroupRead } from "../redis/group.ts";
import { saleKeys } from "../redis/keys.ts";
import { RedisAway, readEach } from "../redis/reading.ts";
import { countIn, countOrNullIn, instantIn } from "./fields.ts";

export interface SaleNumbers {
  readonly state: string;
  readonly total: number;
  readonly granted: number;
  readonly returned: number;
  /** Of `granted`, those that MySQL has. */
  readonly recorded: number;
  readonly userLimit: number;
  /** Milliseconds since the epoch. */
  readonly opensAt: number | null;
  readonly closesAt: number | null;
  readonly grabsPerSecond: number | null;
  /** When Redis was asked, milliseconds since the epoch. */
  readonly asOf: number;
}

export interface LiveNumbers {
  /** Memory only: undefined when there is nothing that is fresh. */
  peek(saleId: number): SaleNumbers | undefined;
  /** In the order of the ids; undefined where Redis does not have the sale whole. Throws RedisAway or Overloaded. */
  read(saleIds: readonly number[]): Promise<(SaleNumbers | undefined)[]>;
  /** What is known of a sale is not so any more. */
  drop(saleId: number): void;
}

/** As `read`; undefined for all of them while Redis does not answer. Throws Overloaded. */
export async function liveOrNone(
  numbers: Pick<LiveNumbers, "read">,
  saleIds: readonly number[],
): Promise<readonly (SaleNumbers | undefined)[]> {
  try {
    return await numbers.read(saleIds);
  } catch (error) {
    if (error instanceof RedisAway) return [];
    throw error;
  }
}

const FIELDS = [
  ...["state", "total", "granted", "returned", "recorded"],
  ...["limit", "opens", "closes", "rate"],
] as const;

function numbersOf(
  [state, ...fields]: readonly (string | null)[],
  asOf: number,
): SaleNumbers | undefined {
  if (!state || state === "deleted") return undefined;
  const [total, granted, returned, recorded, userLimit] = fields.map(countIn);
  const [opensAt, closesAt] = [instantIn(fields[5]), instantIn(fields[6])];
  const grabsPerSecond = countOrNullIn(fields[7]);
  if (total === undefined || granted === undefined || returned === undefined) return undefined;
  if (recorded === undefined || userLimit === undefined) return undefined;
  if (opensAt === undefined || closesAt === undefined || grabsPerSecond === undefined)
    return undefined;
  return {
    ...{ state, total, granted, returned, recorded, userLimit },
    ...{ opensAt, closesAt, grabsPerSecond, asOf },
  };
}

export function createLiveNumbers({ redis, clock }: { redis: Redis; clock: Clock }): LiveNumbers {
  const known = new LRUCache<number, SaleNumbers>({ max: limits.cacheSalesMax });
  /** Counts what was dropped, so that a read that began before keeps nothing. */
  let drops = 0;

  const reads = createGroupRead<readonly number[], (SaleNumbers | undefined)[]>({
    requestsMax: Math.floor(limits.counterSalesPerReadMax / limits.pageItemsMax),
    readsAtOnce: limits.counterReadsAtOnce,
    identityOf: (ids) => ids.join(),
    async run(requests) {
      const asOf = clock.now();
      const dropsBefore = drops;
      const ids = [...new Set(requests.flat())];
      const replies = await readEach(redis, (pipeline) => {
        for (const id of ids) pipeline.hmget(saleKeys(id).sale, ...FIELDS);
      });
      const found = new Map<number, SaleNumbers>();
      for (const [place, id] of ids.entries()) {
        const numbers = numbersOf((replies[place] ?? []) as (string | null)[], asOf);
        if (!numbers) continue;
        found.set(id, numbers);
        if (drops === dropsBefore) known.set(id, numbers);
      }
      return requests.map((of) => of.map((id) => found.get(id)));
    },
  });

  const isWithin = (asOf: number, ms: number): boolean => {
    const age = clock.now() - asOf;
    return age >= 0 && age <= ms;
  };

  function peek(saleId: number): SaleNumbers | undefined {
    const numbers = known.get(saleId);
    if (!numbers || !isWithin(numbers.asOf, limits.saleNumbersTrustMs)) return undefined;
    if (!isWithin(numbers.asOf, limits.saleNumbersRefreshMs)) {
      // Without an answer the numbers age until they are not shown any more.
      reads.read([saleId]).catch(() => undefined);
    }
    return numbers;
  }

  return {
    peek,

    read(saleIds) {
      const fresh = saleIds.map(peek);
      return fresh.includes(undefined) ? reads.read(saleIds) : Promise.resolve(fresh);
    },

    drop(saleId) {
      drops += 1;
      known.delete(saleId);
    },
  };
}

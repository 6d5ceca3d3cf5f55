// One moment in Redis: a shard's gate and stream, and the counters of some of its sales.

import { limits } from "../limits.ts";
import type { Redis } from "../redis/client.ts";
import { saleKeys, shardKeys } from "../redis/keys.ts";
import { callScript, readMany, readScript } from "../redis/reading.ts";
import source from "./cut.lua" with { type: "text" };

/** A sale as Redis had it. Numbers that are missing or not whole are NaN. */
export interface SaleCut {
  /** "" when the sale's key is no hash. */
  readonly state: string;
  readonly total: number;
  readonly granted: number;
  readonly returned: number;
  readonly recorded: number;
  readonly limit: number;
  /** Milliseconds since the epoch, or null. */
  readonly opens: number | null;
  readonly closes: number | null;
  /** Grabs per user and second, or null. */
  readonly rate: number | null;
  /** Of its changes; 0 when it was never changed. */
  readonly version: number;
  /** Users in the winners hash; NaN when the key is no hash. */
  readonly winners: number;
  /** In the set of sales with grants that MySQL may not have. */
  readonly unrecorded: boolean;
}

export interface Cut {
  /** 0 when there is no gate. */
  readonly epoch: number;
  readonly open: boolean;
  /** Id of the stream's first entry, "" when it has none. */
  readonly firstId: string;
  /** Id of the stream's last entry, "" when it has none. */
  readonly newestId: string;
  /** The last id that the stream has given; its entry may be gone. */
  readonly lastId: string;
  /** By sale; undefined where Redis does not have it. */
  readonly sales: ReadonlyMap<number, SaleCut | undefined>;
}

const script = readScript(source);
const HEAD_WORDS = 5;
const SALE_WORDS = 12;

type Word = string | number | null;

const count = (word: Word | undefined): number =>
  typeof word === "string" && /^\d{1,15}$/.test(word) ? Number(word) : Number.NaN;

const countOrNull = (word: Word | undefined): number | null => (word == null ? null : count(word));

function saleOf(words: readonly Word[]): SaleCut | undefined {
  const [state, total, granted, returned, recorded, limit, opens, closes] = words;
  const [rate, version, winners, unrecorded] = words.slice(8);
  if (state === null) return undefined;
  return {
    state: String(state),
    ...{ total: count(total), granted: count(granted), returned: count(returned) },
    ...{ recorded: count(recorded), limit: count(limit) },
    ...{ opens: countOrNull(opens), closes: countOrNull(closes), rate: countOrNull(rate) },
    version: countOrNull(version) ?? 0,
    winners: winners == null ? Number.NaN : Number(winners),
    unrecorded: unrecorded === 1,
  };
}

/** Reads at most `auditSalesPerCut` sales of one shard, all at the same moment. Throws RedisAway. */
export async function readCut(
  redis: Redis,
  shard: number,
  saleIds: readonly number[],
): Promise<Cut> {
  if (saleIds.length > limits.auditSalesPerCut) throw new Error("too many sales for one cut");
  const { gate, ledger, unrecorded } = shardKeys(shard);
  const keys = [gate, ledger, unrecorded];
  for (const id of saleIds) keys.push(saleKeys(id).sale, saleKeys(id).winners);
  const [reply] = await readMany(
    redis,
    (pipeline) => callScript(pipeline, script, keys, ...saleIds),
    script,
  );
  const words = reply as Word[];
  const [epoch, state, firstId, newestId, lastId] = words;
  return {
    epoch: Number(epoch ?? 0),
    open: state === "open",
    ...{ firstId: String(firstId), newestId: String(newestId), lastId: String(lastId) },
    sales: new Map(
      saleIds.map((id, index) => {
        const at = HEAD_WORDS + index * SALE_WORDS;
        return [id, saleOf(words.slice(at, at + SALE_WORDS))];
      }),
    ),
  };
}

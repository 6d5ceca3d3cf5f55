// Calls a grab script on a real Redis and reads back all that it may have changed.

import { type LedgerEntry, parseEntry, type RawEntry } from "../../src/ledger/entry.ts";
import type { Redis } from "../../src/redis/client.ts";
import { saleKeys } from "../../src/redis/keys.ts";
import type { Attempt, GrabReply, GrabState } from "./grab-model.ts";

export type SeenState = Omit<GrabState, "entries"> & { entries: LedgerEntry[] };

export interface GrabRig {
  readonly saleId: number;
  readonly keys: ReturnType<typeof saleKeys>;
  /** Makes Redis hold exactly this; a sale's fields that are not named are those of an open sale of ten. */
  put(state: {
    gate?: Record<string, string>;
    sale?: Record<string, string | number>;
    winners?: Record<string, string>;
  }): Promise<void>;
  grab(
    attempts: readonly Attempt[],
    options?: { epoch?: string; backlogMax?: number },
  ): Promise<GrabReply>;
  seen(): Promise<SeenState>;
}

export const OPEN_SALE = {
  ...{ state: "open", total: 10, granted: 0, returned: 0, recorded: 0, limit: 1 },
};
export const OPEN_GATE = { epoch: "5", state: "open" };

/** Loads the script and gives it a sale of its own. Its answers and effects can then be looked at. */
export async function grabRig(redis: Redis, text: string, saleId: number): Promise<GrabRig> {
  const sha = String(await redis.script("LOAD", text));
  const keys = saleKeys(saleId);
  const all = [keys.gate, keys.sale, keys.winners, keys.ledger, keys.unrecorded] as const;
  return {
    ...{ saleId, keys },
    async put({ gate = OPEN_GATE, sale = OPEN_SALE, winners = {} }) {
      const pipeline = redis.pipeline().del(...all);
      if (Object.keys(gate).length > 0) pipeline.hset(keys.gate, gate);
      if (Object.keys(sale).length > 0) pipeline.hset(keys.sale, { ...OPEN_SALE, ...sale });
      if (Object.keys(winners).length > 0) pipeline.hset(keys.winners, winners);
      await pipeline.exec();
    },
    async grab(attempts, { epoch = OPEN_GATE.epoch, backlogMax = 1_000 } = {}) {
      const args = [epoch, backlogMax, saleId, ...attempts.flat()];
      try {
        const reply = (await redis.evalsha(sha, all.length, ...all, ...args)) as GrabReply;
        // Followed by two times, which the model does not have.
        const word = (text: string) => text.replace(/^(not_started) \d+ \d+$/, "$1");
        return Array.isArray(reply) ? reply.map(word) : reply;
      } catch {
        return "error";
      }
    },
    async seen() {
      const [gate, sale, winners, stream, unrecorded] = await Promise.all([
        redis.hgetall(keys.gate),
        redis.hgetall(keys.sale),
        redis.hgetall(keys.winners),
        redis
          .type(keys.ledger)
          .then((type) => (type === "stream" ? redis.xrange(keys.ledger, "-", "+") : [])),
        redis.smembers(keys.unrecorded),
      ]);
      const entries = (stream as RawEntry[]).map(parseEntry);
      return { gate, sale, winners, entries, unrecorded };
    },
  };
}

/** A list of attempts without keys. */
export const by = (...users: (string | number)[]): Attempt[] =>
  users.map((user) => [String(user), ""]);

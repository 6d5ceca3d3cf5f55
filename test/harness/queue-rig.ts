// The grab queue with a Redis that answers when the test says so.

import { Gates } from "../../src/grab/gates.ts";
import type { GrabOutcome } from "../../src/grab/outcome.ts";
import { createGrabQueue, type QueueEvents } from "../../src/grab/queue.ts";
import { createLog } from "../../src/log.ts";
import type { Redis } from "../../src/redis/client.ts";
import { allShards, shardOf } from "../../src/redis/keys.ts";

/** The sale that the tests grab from, and its shard. */
export const SALE = 35;
export const SHARD = shardOf(SALE);

/** One EVALSHA that has reached Redis. */
export interface Call {
  readonly sha: string;
  readonly keys: string[];
  readonly epoch: number;
  readonly saleId: number;
  readonly users: string[];
  readonly keyHashes: string[];
  answer(reply: unknown): Promise<void>;
  fail(message: string): Promise<void>;
}

/** Lets everything run that was due: promises, then what waits for the end of this turn. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A queue whose gates are all open. */
export function queueRig() {
  const calls: Call[] = [];
  const redis = {
    evalsha(sha: string, keyCount: number, ...args: (string | number)[]) {
      const attempts = args.slice(keyCount + 3).map(String);
      return new Promise((resolve, reject) => {
        calls.push({
          sha,
          keys: args.slice(0, keyCount).map(String),
          epoch: Number(args[keyCount]),
          saleId: Number(args[keyCount + 2]),
          users: attempts.filter((_, i) => i % 2 === 0),
          keyHashes: attempts.filter((_, i) => i % 2 === 1),
          answer(reply) {
            resolve(reply);
            return turn();
          },
          fail(message) {
            reject(new Error(message));
            return turn();
          },
        });
      });
    },
  };
  const heard: string[] = [];
  const events: QueueEvents = {
    called: (attempts) => heard.push(`called ${attempts}`),
    granted: (saleId, no, user, slot, key) =>
      heard.push(`granted ${saleId} ${no} ${user} ${slot} ${key}`),
    repeated: (saleId, no, user) => heard.push(`repeated ${saleId} ${no} ${user}`),
    soldOut: (saleId) => heard.push(`sold out ${saleId}`),
    missing: (saleId, gate) => heard.push(`missing ${saleId} ${gate.epoch}`),
  };
  const closed: string[] = [];
  const gates = new Gates((shard) => closed.push(`closed ${shard}`));
  for (const shard of allShards) gates.open(shard, 1, "one");
  const queue = createGrabQueue(
    { redis: redis as unknown as Redis, gates, log: createLog("silent") },
    events,
  );
  /** Grabs of one sale by users 1, 2, 3 …; the outcomes come in one list. */
  const grabMany = (count: number, saleId = SALE) => {
    const outcomes: GrabOutcome[] = [];
    for (let user = 1; user <= count; user += 1) {
      void queue.grab(saleId, String(user), "").then((outcome) => outcomes.push(outcome));
    }
    return outcomes;
  };
  return { calls, heard, gates, closed, queue, grabMany };
}

/** Answers a call so that every attempt wins. */
export const grantAll = (call: Call, first = 1) =>
  call.answer(call.users.map((_, i) => `granted ${first + i} 1`));

/** The different outcomes among these, as words. */
export const reasons = (outcomes: readonly GrabOutcome[]) => [
  ...new Set(outcomes.map((o) => (o.kind === "unavailable" ? o.reason : o.kind))),
];

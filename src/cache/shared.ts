// The level in Redis, shared by all processes. It takes a value only from a loader whose lease, or the value that it was
// given, still stands (ask.lua, fill.lua), and every change takes values and leases away in the same step that
// announces it.

import { createHash, randomBytes } from "node:crypto";
import { limits } from "../limits.ts";
import type { Redis } from "../redis/client.ts";
import { cacheKeys, channels, sellerVersionKey } from "../redis/keys.ts";
import askSource from "./ask.lua" with { type: "text" };
import { type Change, type Changes, EVERYTHING, KINDS, messageText } from "./changes.ts";
import fillSource from "./fill.lua" with { type: "text" };

// A text in Redis: the generation, one letter that says what it is, and the rest. Of a value that is letters drawn anew
// and the JSON: two texts are never the same, so the one that a loader was given does not come back after a change.
const GENERATION_CHARS = 16;
const DRAWN_CHARS = 16;
const VALUE = "=";
const NONE = "-";

const draw = (): string => randomBytes(DRAWN_CHARS / 2).toString("hex");

/** What a loader may replace, and the generation that it loads for. */
export interface Place {
  readonly held: string;
  readonly generation: string;
}

/**
 * What Redis has: a value as JSON, the knowledge that there is none, or nothing. A value that is not fresh is for those
 * who cannot load; one that is void is from before everything was said to have changed.
 */
export type Shared =
  | ({
      readonly kind: "value";
      readonly json: string;
      readonly isFresh: boolean;
      readonly isVoid: boolean;
    } & Place)
  | { readonly kind: "none" }
  | ({ readonly kind: "nothing" } & Place);

const scriptOf = (text: string) => ({ text, sha: createHash("sha1").update(text).digest("hex") });
const ask = scriptOf(askSource);
const fill = scriptOf(fillSource);

/** These scripts are no part of the sale's fence: whoever finds one missing loads it. */
async function call(
  redis: Redis,
  script: { text: string; sha: string },
  keys: readonly string[],
  ...args: (string | number)[]
): Promise<unknown> {
  try {
    return await redis.evalsha(script.sha, keys.length, ...keys, ...args);
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
    await redis.script("LOAD", script.text);
    return redis.evalsha(script.sha, keys.length, ...keys, ...args);
  }
}

/** Where Redis has it. Pages of lists have no entries: they are valid by a word that goes when the list changes. */
const keyOf = ({ kind, key }: Change): string =>
  kind === "seller-list" ? sellerVersionKey(Number(key)) : cacheKeys.entry(kind, key);

/** Throws Redis's error. */
export async function askShared(redis: Redis, { kind, key }: Change): Promise<Shared> {
  const keys = [cacheKeys.generation(kind), cacheKeys.entry(kind, key)];
  const reply = await call(redis, ask, keys, draw(), limits.cacheLeaseSeconds);
  const [held, secondsLeft, generation] = reply as [string, number, string];
  switch (held[GENERATION_CHARS]) {
    case VALUE:
      return {
        ...{ kind: "value", held, generation },
        json: held.slice(GENERATION_CHARS + 1 + DRAWN_CHARS),
        isFresh: limits.cacheStaleSeconds - secondsLeft <= limits.cacheSharedSeconds,
        isVoid: !held.startsWith(generation),
      };
    case NONE:
      return { kind: "none" };
    default:
      return { kind: "nothing", held, generation };
  }
}

/** `json` undefined: there is no such thing. Nothing happens where `held` does not stand any more. */
export async function fillShared(
  redis: Redis,
  { kind, key }: Change,
  { held, generation }: Place,
  json: string | undefined,
): Promise<void> {
  const text = generation + (json === undefined ? NONE : `${VALUE}${draw()}${json}`);
  const seconds = json === undefined ? limits.cacheUnknownSeconds : limits.cacheStaleSeconds;
  await call(redis, fill, [cacheKeys.entry(kind, key)], held, text, seconds);
}

/**
 * Takes what has changed out of Redis and tells every process, in one step. `from` names who tells. Throws Redis's
 * error; it is then not known whether it happened, and doing it again is right.
 */
export async function announce(redis: Redis, from: string, changes: Changes): Promise<void> {
  const transaction = redis.multi();
  if (changes === EVERYTHING) {
    for (const kind of KINDS) transaction.set(cacheKeys.generation(kind), draw());
  } else {
    transaction.del(...changes.map(keyOf));
  }
  transaction.incr(cacheKeys.changes).publish(channels.changed, messageText({ from, changes }));
  const results = await transaction.exec();
  const failed = results?.find(([error]) => error);
  if (!results || failed) throw failed?.[0] ?? new Error("the transaction was not executed");
}

/** Asks how many changes were announced, and sends `mark` after the messages of all of them. */
export async function sendMark(redis: Redis, mark: string): Promise<number> {
  const results = await redis.multi().get(cacheKeys.changes).publish(channels.changed, mark).exec();
  const failed = results?.find(([error]) => error);
  if (!results || failed) throw failed?.[0] ?? new Error("the transaction was not executed");
  return Number(results[0]?.[1] ?? 0);
}

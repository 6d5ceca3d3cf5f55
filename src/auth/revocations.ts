// Which tokens have been logged out. Every request asks, so the answer is in this process's memory; Redis
// holds the whole set, and pub/sub carries each change to all processes at once. Pub/sub may lose messages,
// so nothing rests on it: each change also raises a version in the same MULTI, and each process counts the
// messages it got. To compare the two without a race, it reads the version and sends itself a mark through
// the channel in one MULTI: when the mark arrives, every message that belongs to the version has arrived
// before it, or is lost. A mark that does not come back, or a count that differs, means: load the set anew.
//
// Redis                                     memory
//   sorted set: token id by expiry            map: token id -> expiry
//   version = number of changes               received + offset = version
//   channel: "<token id> <expiry>", "<mark>"

import type { Clock } from "../clock.ts";
import { reasonOf } from "../db/errors.ts";
import { limits } from "../limits.ts";
import type { Log } from "../log.ts";
import { Overloaded } from "../redis/cache.ts";
import type { Redis } from "../redis/client.ts";
import { channels, revokedKey, revokedVersionKey } from "../redis/keys.ts";

export interface Revocations {
  /** From memory, synchronous. Says nothing before `loaded`. */
  has(tokenId: string): boolean;
  /** False from the start until the set has been loaded once: until then no token can be judged. */
  loaded(): boolean;
  /**
   * Makes a token stop working, here at once and elsewhere with the next message; resolves when Redis has
   * it. `expiresAt` is in seconds. Throws when Redis is away or when `revokedTokensMax` are revoked already:
   * a log-out that was not recorded must not be answered as one.
   */
  revoke(tokenId: string, expiresAt: number): Promise<void>;
  /** Loads the set and keeps it current; resolves when it is loaded, however long Redis is away. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

interface Deps {
  redis: Redis;
  subscriber: Redis;
  clock: Clock;
  log: Log;
}

/** The replies of a MULTI; throws when one of them, or the whole, failed. */
async function replies(transaction: ReturnType<Redis["multi"]>): Promise<unknown[]> {
  const results = await transaction.exec();
  if (results === null) throw new Error("the transaction was not executed");
  return results.map(([error, value]) => {
    if (error) throw error;
    return value;
  });
}

export function createRevocations({ redis, subscriber, clock, log }: Deps): Revocations {
  const revoked = new Map<string, number>();
  let received = 0;
  let offset: number | undefined;
  let sweptAt = 0;
  let running: Promise<void> | undefined;
  let loadedOnce = false;
  let stopped = false;
  // What ends the two waits of this file early; `stop` calls both.
  const mark = { text: "", arrived: (_received?: number) => {} };
  let wake = () => {};

  // Kept a little longer than the token lives: the hosts' clocks may differ.
  const oldest = () => Math.floor(clock.now() / 1_000) - limits.clockSkewSeconds;

  function onMessage(channel: string, message: string): void {
    if (channel !== channels.revoked) return;
    const space = message.lastIndexOf(" ");
    if (space > 0) {
      revoked.set(message.slice(0, space), Number(message.slice(space + 1)));
      received++;
    } else if (message === mark.text) mark.arrived(received);
  }

  // A connection that is back may have missed something: look now, not at the next turn.
  const onReady = () => wake();

  /** The version, and how many messages had been received when all that belong to it should have been. */
  async function compare(): Promise<{ version: number; receivedByThen: number | undefined }> {
    const arrival = Promise.withResolvers<number | undefined>();
    const timer = setTimeout(() => arrival.resolve(undefined), limits.revocationCheckMs);
    mark.text = crypto.randomUUID();
    mark.arrived = arrival.resolve;
    try {
      const [version] = await replies(
        redis.multi().get(revokedVersionKey).publish(channels.revoked, mark.text),
      );
      return { version: Number(version ?? 0), receivedByThen: await arrival.promise };
    } finally {
      clearTimeout(timer);
    }
  }

  /** Everything in Redis into memory. Changes made meanwhile come by message. */
  async function load(): Promise<void> {
    offset = undefined;
    await subscriber.subscribe(channels.revoked);
    const { version, receivedByThen } = await compare();
    let cursor = "0";
    do {
      const [next, found] = await redis.zscan(
        revokedKey,
        cursor,
        "COUNT",
        limits.revocationScanCount,
      );
      for (let at = 0; at + 1 < found.length; at += 2) {
        revoked.set(found[at] as string, Number(found[at + 1]));
      }
      cursor = next;
    } while (cursor !== "0");
    loadedOnce = true;
    // Without the mark the set is here, but the channel is not to be relied on: the next look loads again.
    if (receivedByThen !== undefined) offset = version - receivedByThen;
  }

  async function look(): Promise<void> {
    if (offset === undefined) return load();
    const { version, receivedByThen } = await compare();
    if (receivedByThen === undefined || receivedByThen + offset !== version) await load();
  }

  function dropExpired(): void {
    const before = oldest();
    for (const [tokenId, expiresAt] of revoked) if (expiresAt < before) revoked.delete(tokenId);
  }

  async function sweep(): Promise<void> {
    if (clock.now() - sweptAt < limits.revocationSweepMs) return;
    dropExpired();
    await redis.zremrangebyscore(revokedKey, "-inf", `(${oldest()}`);
    sweptAt = clock.now();
  }

  function pause(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, limits.revocationCheckMs);
    wake = resolve;
    return promise.finally(() => clearTimeout(timer));
  }

  async function keepCurrent(loaded: () => void): Promise<void> {
    // A single failure is a connection that is not up yet; the next look is a moment away.
    let failures = 0;
    while (!stopped) {
      try {
        await look();
        loaded();
        await sweep();
        if (failures > 1) log.info("revoked tokens are current again");
        failures = 0;
      } catch (error) {
        // What was true before a connection was lost may have changed since.
        offset = undefined;
        failures++;
        if (failures === 2) log.warn({ reason: reasonOf(error) }, "revoked tokens cannot be read");
      }
      if (!stopped) await pause();
    }
    loaded();
  }

  return {
    has: (tokenId) => revoked.has(tokenId),
    loaded: () => loadedOnce,
    revoke: async (tokenId, expiresAt) => {
      if (revoked.has(tokenId)) return;
      if (revoked.size >= limits.revokedTokensMax) dropExpired();
      if (revoked.size >= limits.revokedTokensMax) throw new Overloaded("too many revoked tokens");
      const expiry = Math.min(Math.ceil(expiresAt), Number.MAX_SAFE_INTEGER);
      await replies(
        redis
          .multi()
          .zadd(revokedKey, expiry, tokenId)
          .incr(revokedVersionKey)
          .publish(channels.revoked, `${tokenId} ${expiry}`),
      );
      revoked.set(tokenId, expiry);
    },
    start: () => {
      const loaded = Promise.withResolvers<void>();
      subscriber.on("message", onMessage);
      subscriber.on("ready", onReady);
      running = keepCurrent(loaded.resolve);
      return loaded.promise;
    },
    stop: async () => {
      stopped = true;
      subscriber.off("message", onMessage);
      subscriber.off("ready", onReady);
      mark.arrived();
      wake();
      await running;
    },
  };
}

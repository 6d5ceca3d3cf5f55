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
import { Overloaded } from "../overloaded.ts";
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

class RevokedTokens implements Revocations {
  private readonly revoked = new Map<string, number>();
  private received = 0;
  private offset: number | undefined;
  private sweptAt = 0;
  private running: Promise<void> | undefined;
  private loadedOnce = false;
  private stopped = false;
  // What ends the two waits of this file early; `stop` calls both.
  private mark = { text: "", arrived: (_received?: number) => {} };
  private wake = () => {};

  constructor(private readonly deps: Deps) {}

  has(tokenId: string): boolean {
    return this.revoked.has(tokenId);
  }

  loaded(): boolean {
    return this.loadedOnce;
  }

  async revoke(tokenId: string, expiresAt: number): Promise<void> {
    const { revoked } = this;
    if (revoked.has(tokenId)) return;
    if (revoked.size >= limits.revokedTokensMax) this.dropExpired();
    if (revoked.size >= limits.revokedTokensMax) throw new Overloaded("too many revoked tokens");
    const expiry = Math.min(Math.ceil(expiresAt), Number.MAX_SAFE_INTEGER);
    await replies(
      this.deps.redis
        .multi()
        .zadd(revokedKey, expiry, tokenId)
        .incr(revokedVersionKey)
        .publish(channels.revoked, `${tokenId} ${expiry}`),
    );
    revoked.set(tokenId, expiry);
  }

  start(): Promise<void> {
    const loaded = Promise.withResolvers<void>();
    this.deps.subscriber.on("message", this.onMessage).on("ready", this.onReady);
    this.running = this.keepCurrent(loaded.resolve);
    return loaded.promise;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.deps.subscriber.off("message", this.onMessage).off("ready", this.onReady);
    this.mark.arrived();
    this.wake();
    await this.running;
  }

  private readonly onMessage = (channel: string, message: string): void => {
    if (channel !== channels.revoked) return;
    const space = message.lastIndexOf(" ");
    if (space > 0) {
      this.revoked.set(message.slice(0, space), Number(message.slice(space + 1)));
      this.received++;
    } else if (message === this.mark.text) this.mark.arrived(this.received);
  };

  /** A connection that is back may have missed something: look now, not at the next turn. */
  private readonly onReady = (): void => this.wake();

  private async keepCurrent(loaded: () => void): Promise<void> {
    // A single failure is a connection that is not up yet; the next look is a moment away.
    let failures = 0;
    while (!this.stopped) {
      try {
        await this.look();
        loaded();
        await this.sweep();
        if (failures > 1) this.deps.log.info("revoked tokens are current again");
        failures = 0;
      } catch (error) {
        // What was true before a connection was lost may have changed since.
        this.offset = undefined;
        failures++;
        const reason = reasonOf(error);
        if (failures === 2) this.deps.log.warn({ reason }, "revoked tokens cannot be read");
      }
      if (!this.stopped) await this.pause();
    }
    loaded();
  }

  private async look(): Promise<void> {
    if (this.offset === undefined) return this.load();
    const { version, receivedByThen } = await this.compare();
    if (receivedByThen === undefined || receivedByThen + this.offset !== version) await this.load();
  }

  /** The version, and how many messages had been received when all that belong to it should have been. */
  private async compare(): Promise<{ version: number; receivedByThen: number | undefined }> {
    const arrival = Promise.withResolvers<number | undefined>();
    const timer = setTimeout(() => arrival.resolve(undefined), limits.revocationCheckMs);
    const text = crypto.randomUUID();
    this.mark = { text, arrived: arrival.resolve };
    try {
      const [version] = await replies(
        this.deps.redis.multi().get(revokedVersionKey).publish(channels.revoked, text),
      );
      return { version: Number(version ?? 0), receivedByThen: await arrival.promise };
    } finally {
      clearTimeout(timer);
    }
  }

  /** Everything in Redis into memory. Changes made meanwhile come by message. */
  private async load(): Promise<void> {
    const { redis, subscriber } = this.deps;
    this.offset = undefined;
    await subscriber.subscribe(channels.revoked);
    const { version, receivedByThen } = await this.compare();
    const count = limits.revocationScanCount;
    let cursor = "0";
    do {
      const [next, found] = await redis.zscan(revokedKey, cursor, "COUNT", count);
      for (let at = 0; at + 1 < found.length; at += 2) {
        this.revoked.set(found[at] as string, Number(found[at + 1]));
      }
      cursor = next;
    } while (cursor !== "0");
    this.loadedOnce = true;
    // Without the mark the set is here, but the channel is not to be relied on: the next look loads again.
    if (receivedByThen !== undefined) this.offset = version - receivedByThen;
  }

  /** Kept a little longer than the token lives: the hosts' clocks may differ. */
  private oldest(): number {
    return Math.floor(this.deps.clock.now() / 1_000) - limits.clockSkewSeconds;
  }

  private dropExpired(): void {
    const before = this.oldest();
    for (const [tokenId, expiresAt] of this.revoked) {
      if (expiresAt < before) this.revoked.delete(tokenId);
    }
  }

  private async sweep(): Promise<void> {
    const now = this.deps.clock.now();
    if (now - this.sweptAt < limits.revocationSweepMs) return;
    this.dropExpired();
    await this.deps.redis.zremrangebyscore(revokedKey, "-inf", `(${this.oldest()}`);
    this.sweptAt = now;
  }

  private pause(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, limits.revocationCheckMs);
    this.wake = resolve;
    return promise.finally(() => clearTimeout(timer));
  }
}

/** `subscriber` is used for nothing but subscriptions. */
export const createRevocations = (deps: Deps): Revocations => new RevokedTokens(deps);

// Whose tokens were all ended: after a change of the password, or because the operator disabled the user. A token
// says which of its user's it is (`since`), and one of before the last ending is refused. Every request asks, so
// the answer is in this process's memory.
//
// The table of users is the truth. Whoever ends tokens tells all processes by pub/sub, which takes effect at once;
// and because such a message may be lost, each process asks MySQL every second for the endings since it last had an answer.
// What was ended longer ago than any token lives is forgotten.
//
//   users.tokens_valid_from      when; NULL: never
//   channel "ended"              "<user id> <milliseconds>"

import { desc, gt, sql } from "drizzle-orm";
import type { Clock } from "../clock.ts";
import type { Database } from "../db/client.ts";
import { reasonOf } from "../db/errors.ts";
import { limits } from "../limits.ts";
import type { Log } from "../log.ts";
import type { Redis } from "../redis/client.ts";
import { channels } from "../redis/keys.ts";
import { users } from "../users/table.ts";

export interface Endings {
  /** Whether all tokens of that time have been ended. From memory, synchronous. Says nothing before `loaded`. */
  has(userId: string, since: number): boolean;
  /** False from the start until the endings have been read once: until then no token can be judged. */
  loaded(): boolean;
  /**
   * Makes known what stands in MySQL already: here at once, elsewhere with the next message or, if that is lost,
   * `endingsCheckMs` later. Never throws.
   */
  announce(userId: number, since: number): Promise<void>;
  /** Reads the endings and keeps them current; resolves when they are read, however long MySQL is away. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

interface Deps {
  db: Database;
  redis: Redis;
  subscriber: Redis;
  clock: Clock;
  log: Log;
}

const KEPT_MS = (limits.accessTokenSeconds + limits.clockSkewSeconds) * 1_000;

class EndedTokens implements Endings {
  private readonly ended = new Map<string, number>();
  private loadedOnce = false;
  /** When the last reading that succeeded began, by MySQL's clock. */
  private readAt = Number.NEGATIVE_INFINITY;
  private subscribed = false;
  private sweptAt = 0;
  private running: Promise<void> | undefined;
  private stopped = false;
  private wake = () => {};

  constructor(private readonly deps: Deps) {}

  has(userId: string, since: number): boolean {
    const ended = this.ended.get(userId);
    return ended !== undefined && since < ended;
  }

  loaded(): boolean {
    return this.loadedOnce;
  }

  async announce(userId: number, since: number): Promise<void> {
    this.note(String(userId), since);
    await announceEnding(this.deps.redis, userId, since).catch((error) =>
      this.deps.log.warn({ userId, reason: reasonOf(error) }, "other processes learn it later"),
    );
  }

  start(): Promise<void> {
    const loaded = Promise.withResolvers<void>();
    this.deps.subscriber.on("message", this.onMessage);
    this.running = this.keepCurrent(loaded.resolve);
    return loaded.promise;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.deps.subscriber.off("message", this.onMessage);
    this.wake();
    await this.running;
  }

  private note(userId: string, since: number): void {
    this.ended.set(userId, Math.max(since, this.ended.get(userId) ?? 0));
  }

  private readonly onMessage = (channel: string, message: string): void => {
    if (channel !== channels.ended) return;
    const [userId = "", since = ""] = message.split(" ");
    if (this.ended.has(userId) || this.ended.size < limits.endingsMax)
      this.note(userId, Number(since));
  };

  private async keepCurrent(loaded: () => void): Promise<void> {
    let failures = 0;
    while (!this.stopped) {
      try {
        await this.subscribe();
        await this.read();
        this.loadedOnce = true;
        loaded();
        if (failures > 1) this.deps.log.info("ended tokens are current again");
        failures = 0;
      } catch (error) {
        failures++;
        const reason = reasonOf(error);
        if (failures === 2) this.deps.log.warn({ reason }, "ended tokens cannot be read");
      }
      this.sweep();
      if (!this.stopped) await this.pause();
    }
    loaded();
  }

  /** Once: ioredis does it again by itself after a connection was lost. */
  private async subscribe(): Promise<void> {
    if (this.subscribed) return;
    await this.deps.subscriber.subscribe(channels.ended);
    this.subscribed = true;
  }

  /**
   * The first time all that matter, then those since the last reading, however long ago that was, and from some time
   * before it: a transaction may be seen later than its clock says.
   */
  private async read(): Promise<void> {
    const now = await this.databaseNow();
    // A clock that was set back says nothing of what came after.
    const last = Math.min(this.readAt, now) - limits.endingsReadSeconds * 1_000;
    const since = new Date(Math.max(last, now - KEPT_MS));
    const rows = await this.deps.db
      .select({ id: users.id, validFrom: users.tokensValidFrom })
      .from(users)
      .where(gt(users.tokensValidFrom, since))
      .orderBy(desc(users.tokensValidFrom))
      .limit(limits.endingsMax);
    for (const { id, validFrom } of rows) if (validFrom) this.note(String(id), validFrom.getTime());
    if (rows.length === limits.endingsMax)
      this.deps.log.error({ users: rows.length }, "too many users' tokens were ended at once");
    this.readAt = now;
  }

  private async databaseNow(): Promise<number> {
    const [rows] = await this.deps.db.execute(sql`SELECT UNIX_TIMESTAMP(NOW(3)) * 1000 AS now`);
    return Number((rows as unknown as { now: string }[])[0]?.now);
  }

  private sweep(): void {
    const now = this.deps.clock.now();
    if (now - this.sweptAt < limits.revocationSweepMs) return;
    this.sweptAt = now;
    const before = now - KEPT_MS;
    for (const [userId, since] of this.ended) if (since < before) this.ended.delete(userId);
  }

  private pause(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, limits.endingsCheckMs);
    this.wake = resolve;
    return promise.finally(() => clearTimeout(timer));
  }
}

/** Tells all processes, for whoever is none of them. Throws when Redis is away. */
export const announceEnding = (redis: Redis, userId: number, since: number): Promise<number> =>
  redis.publish(channels.ended, `${userId} ${since}`);

/** `subscriber` is used for nothing but subscriptions. */
export const createEndings = (deps: Deps): Endings => new EndedTokens(deps);

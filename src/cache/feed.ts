// Hears of changes, and knows whether it has heard of all of them. Pub/sub may lose messages, so nothing rests on
// it: each change also raises a number in the same step, and this process counts the messages it gets. To compare
// the two, it reads the number and sends itself a mark through the channel in one step: every message that belongs
// to the number arrives before the mark, or is lost. Memory is believed for `cacheTrustMs` after a comparison that
// came out right; a comparison that did not, or a connection that was lost, means that memory is worth nothing.

import { reasonOf } from "../db/errors.ts";
import { limits } from "../limits.ts";
import type { Log } from "../log.ts";
import type { Redis } from "../redis/client.ts";
import { channels } from "../redis/keys.ts";
import { type Message, readMessage } from "./changes.ts";
import { sendMark } from "./shared.ts";

const MARK = "mark ";

export interface FeedDeps {
  readonly redis: Redis;
  /** Used for nothing but subscriptions. */
  readonly subscriber: Redis;
  /** Milliseconds that only grow. */
  readonly now: () => number;
  readonly log: Log;
}

export interface FeedHooks {
  heard(message: Message): void;
  /** Messages may have been lost; from now on all are heard again. */
  lost(): void;
  /** Redis answers and the channel works; called after every comparison. */
  current(): Promise<void>;
}

export class Feed {
  /** Until then no message can have been missed, by `now`; 0 while the channel is not to be relied on. */
  trustedUntil = 0;
  #received = 0;
  #losses = 0;
  #offset: number | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;
  // What ends the two waits of this file early; `stop` calls both.
  #mark = { text: "", arrived: (_received?: number) => {} };
  #wake = () => {};

  constructor(
    private readonly deps: FeedDeps,
    private readonly hooks: FeedHooks,
  ) {}

  start(): void {
    const { subscriber } = this.deps;
    subscriber.on("message", this.#onMessage).on("ready", this.#onReady).on("close", this.#onClose);
    this.#running = this.#keepCurrent();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    const { subscriber } = this.deps;
    subscriber.off("message", this.#onMessage);
    subscriber.off("ready", this.#onReady).off("close", this.#onClose);
    this.#mark.arrived();
    this.#wake();
    await this.#running;
    this.trustedUntil = 0;
  }

  readonly #onMessage = (channel: string, message: string): void => {
    if (channel !== channels.changed) return;
    if (!message.startsWith(MARK)) {
      this.#received++;
      this.hooks.heard(readMessage(message));
    } else if (message === this.#mark.text) this.#mark.arrived(this.#received);
  };

  readonly #onReady = (): void => this.#wake();

  readonly #onClose = (): void => {
    this.#losses++;
    this.trustedUntil = 0;
    this.#offset = undefined;
    this.#mark.arrived();
  };

  async #keepCurrent(): Promise<void> {
    let failures = 0;
    while (!this.#stopped) {
      try {
        await this.#look();
        await this.hooks.current();
        if (failures > 1) this.deps.log.info("changes are heard of again");
        failures = 0;
      } catch (error) {
        this.trustedUntil = 0;
        failures++;
        const reason = reasonOf(error);
        if (failures === 2) this.deps.log.warn({ reason }, "changes cannot be heard of");
      }
      if (!this.#stopped) await this.#pause();
    }
  }

  async #look(): Promise<void> {
    const { subscriber } = this.deps;
    if (this.#offset !== undefined && (await this.#hasHeardAll())) return;
    this.#offset = undefined;
    this.trustedUntil = 0;
    await subscriber.subscribe(channels.changed);
    // Whatever comes into memory from here on is younger than the subscription.
    this.hooks.lost();
    await this.#hasHeardAll();
  }

  /** Compares; the first time after a loss it takes the number as it is. Throws when the channel is silent. */
  async #hasHeardAll(): Promise<boolean> {
    const { redis, subscriber, now } = this.deps;
    const arrival = Promise.withResolvers<number | undefined>();
    const timer = setTimeout(() => arrival.resolve(undefined), limits.cacheMarkMs);
    const text = MARK + crypto.randomUUID();
    const losses = this.#losses;
    this.#mark = { text, arrived: arrival.resolve };
    try {
      const sentAt = now();
      const changes = await sendMark(redis, text);
      const receivedByThen = await arrival.promise;
      if (receivedByThen === undefined || losses !== this.#losses) {
        // Half of a connection may be gone without a word: a command on it finds out.
        if (!this.#stopped) await subscriber.subscribe(channels.changed);
        throw new Error("the channel is silent");
      }
      this.#offset ??= changes - receivedByThen;
      if (receivedByThen + this.#offset !== changes) return false;
      this.trustedUntil = sentAt + limits.cacheTrustMs;
      return true;
    } finally {
      clearTimeout(timer);
    }
  }

  #pause(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, limits.cacheCheckMs);
    this.#wake = resolve;
    return promise.finally(() => clearTimeout(timer));
  }
}

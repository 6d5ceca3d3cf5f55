// One sale that is watched: who watches it, what they were told last, and what there is to tell.

import { limits } from "../limits.ts";
import type { EventClient } from "./client.ts";
import type { WatchedFacts } from "./facts.ts";
import {
  HEARTBEAT,
  isSame,
  type SaleEvent,
  saleEvent,
  saleMessage,
  unavailableMessage,
} from "./message.ts";
import { GrantRate } from "./rate.ts";

export class WatchedSale {
  readonly clients = new Set<EventClient>();
  /** What everybody is to have: the state, or a heart-beat after it. */
  message: Uint8Array | undefined;
  /** The state alone: what a client that comes now has to know. Undefined before the first reading. */
  state: Uint8Array | undefined;
  /** When it was read last, in the time that `take` is given. */
  readAt: number;
  /** When Redis was last asked about it. */
  askedAt = Number.NEGATIVE_INFINITY;
  #sentAt: number;
  #sent: SaleEvent | undefined;
  readonly #rate = new GrantRate();

  constructor(
    readonly saleId: number,
    now: number,
  ) {
    this.readAt = now;
    this.#sentAt = now;
  }

  /** What Redis has said. True when there is a new message. */
  take(facts: WatchedFacts, now: number): boolean {
    this.readAt = now;
    const event = saleEvent(this.saleId, facts, this.#rate.add(facts.asOf, facts.granted));
    if (!this.#isNews(event, now)) return false;
    this.#sent = event;
    this.#set(saleMessage(event), now);
    return true;
  }

  /** Time passes. True when there is a new message. */
  pass(now: number): boolean {
    if (now - this.readAt > limits.eventStaleMs && (this.#sent || !this.state)) {
      // Nothing counts as sent, so that the next reading is news even if nothing has changed.
      this.#sent = undefined;
      this.#set(unavailableMessage(this.saleId), now);
      return true;
    }
    if (now - this.#sentAt < limits.eventHeartbeatMs) return false;
    // Another object each time: messages are told apart by what they are, not by what they say.
    this.message = HEARTBEAT.slice();
    this.#sentAt = now;
    return true;
  }

  /** A rate that sinks is told less often: it does so every moment while nothing else happens. */
  #isNews(event: SaleEvent, now: number): boolean {
    const sent = this.#sent;
    if (!sent || !isSame(event, sent)) return true;
    return event.rate !== sent.rate && now - this.#sentAt >= limits.eventRateGapMs;
  }

  #set(state: Uint8Array, now: number): void {
    this.state = state;
    this.message = state;
    this.#sentAt = now;
  }
}

// Group commit. Attempts on one sale that arrive while a script call is under way are collected and travel
// together as the next call: under load the calls grow by themselves and one fsync serves all of a call; a
// single attempt is sent at once. A lane exists for a sale only while it has attempts.
//
// The number of attempts that wait is bounded, and so is how long they do; what does not fit is refused at
// once, what has waited too long is refused instead of sent. Too long is `grabWaitMsMax` more than the last call
// took: on a link that is slower than that, all who wait for their turn would otherwise be refused, and return
// to wait in vain again. A call that Redis does not answer leaves its attempts without a known outcome (they may
// have won); those that still wait behind it were never sent and are refused as well, so that nobody waits for a
// Redis that is stuck.

import { limits } from "../limits.ts";
import type { Log } from "../log.ts";
import type { Redis } from "../redis/client.ts";
import { saleKeys, shardOf } from "../redis/keys.ts";
import { isFence } from "../redis/script.ts";
import type { Gates, OpenGate } from "./gates.ts";
import { type GrabOutcome, outcomeOf, unavailable } from "./outcome.ts";

interface Attempt {
  readonly userId: string;
  readonly keyHash: string;
  readonly since: number;
  readonly resolve: (outcome: GrabOutcome) => void;
}

interface Lane {
  readonly saleId: number;
  waiting: Attempt[];
  callsInFlight: number;
  scheduled: boolean;
}

/** What others want to know of the queue. */
export interface QueueEvents {
  /** A call was answered: how many attempts it carried and how long the first of them had waited. */
  called(attempts: number, waitMs: number, callMs: number): void;
  granted(saleId: number, grantNo: number, userId: string, slot: number, keyHash: string): void;
  /** A grant that somebody, maybe another process, has given before. */
  repeated(saleId: number, grantNo: number, userId: string, slot: number, keyHash: string): void;
  soldOut(saleId: number, gate: OpenGate): void;
  /** Redis does not have the sale that MySQL knows. */
  missing(saleId: number, gate: OpenGate): void;
}

export interface GrabQueue {
  /** Decides one attempt; `keyHash` is "" where the sale's limit is one. Never rejects. */
  grab(saleId: number, userId: string, keyHash: string): Promise<GrabOutcome>;
  waiting(): number;
}

export function createGrabQueue(
  { redis, gates, log }: { redis: Redis; gates: Gates; log: Log },
  events: QueueEvents,
): GrabQueue {
  const lanes = new Map<number, Lane>();
  let waiting = 0;
  /** How long Redis took for the last call that it answered; bounded by its command timeout. */
  let lastCallMs = 0;

  function schedule(lane: Lane): void {
    if (lane.scheduled || lane.callsInFlight >= limits.grabCallsInFlightMax) return;
    lane.scheduled = true;
    // At the end of this turn of the event loop, so that all requests that were read in it share the call.
    setImmediate(flush, lane);
  }

  function flush(lane: Lane): void {
    lane.scheduled = false;
    refuseStale(lane);
    while (lane.waiting.length > 0 && lane.callsInFlight < limits.grabCallsInFlightMax) {
      const attempts =
        lane.waiting.length <= limits.grabCallAttemptsMax
          ? lane.waiting
          : lane.waiting.slice(0, limits.grabCallAttemptsMax);
      lane.waiting =
        lane.waiting.length === attempts.length ? [] : lane.waiting.slice(attempts.length);
      waiting -= attempts.length;
      send(lane, attempts);
    }
    const idle = lane.waiting.length === 0 && lane.callsInFlight === 0 && !lane.scheduled;
    if (idle && lanes.get(lane.saleId) === lane) lanes.delete(lane.saleId);
  }

  const isStale = (attempt: Attempt | undefined): boolean =>
    attempt !== undefined && performance.now() - attempt.since > limits.grabWaitMsMax + lastCallMs;

  /** They stand in the order in which they came. */
  function refuseStale(lane: Lane): void {
    if (!isStale(lane.waiting[0])) return;
    const first = lane.waiting.findIndex((attempt) => !isStale(attempt));
    const stale = lane.waiting.splice(0, first < 0 ? lane.waiting.length : first);
    waiting -= stale.length;
    settle(stale, unavailable("overloaded"));
  }

  function send(lane: Lane, attempts: Attempt[]): void {
    const gate = gates.at(shardOf(lane.saleId));
    if (!gate) {
      settle(attempts, unavailable("recovering"));
      return;
    }
    lane.callsInFlight += 1;
    const sentAt = performance.now();
    let answered = false;
    call(lane.saleId, gate, attempts)
      .then(
        (reply) => {
          answered = true;
          answer(lane.saleId, gate, attempts, reply);
        },
        (error: unknown) => fail(lane, gate, attempts, error),
      )
      .catch((error: unknown) => {
        log.error({ err: error }, "a grab could not be answered");
        settle(attempts, unavailable("unknown"));
      })
      .finally(() => {
        lane.callsInFlight -= 1;
        const now = performance.now();
        events.called(attempts.length, sentAt - (attempts[0]?.since ?? sentAt), now - sentAt);
        flush(lane);
        if (answered) lastCallMs = now - sentAt;
      });
  }

  function call(saleId: number, gate: OpenGate, attempts: Attempt[]): Promise<unknown> {
    const keys = saleKeys(saleId);
    const args: (string | number)[] = [
      ...[keys.gate, keys.sale, keys.winners, keys.ledger, keys.unrecorded],
      ...[gate.epoch, limits.backlogGrantsMax, saleId],
    ];
    for (const attempt of attempts) args.push(attempt.userId, attempt.keyHash);
    return redis.evalsha(gate.scripts.grab.sha, 5, ...args);
  }

  function answer(saleId: number, gate: OpenGate, attempts: Attempt[], reply: unknown): void {
    if (!Array.isArray(reply)) {
      if (reply === "missing") events.missing(saleId, gate);
      else gates.close(shardOf(saleId), gate, "a grab was fenced");
      settle(attempts, unavailable("recovering"));
      return;
    }
    if (gates.at(shardOf(saleId)) !== gate) {
      // Recovery has begun and may have asked already what this process confirmed; from here on nothing of
      // the old epoch is confirmed. Who has won nevertheless learns it from a repeat.
      settle(attempts, unavailable("recovering"));
      return;
    }
    let soldOut = false;
    for (const [index, attempt] of attempts.entries()) {
      const word = String(reply[index]);
      const outcome = outcomeOf(word);
      if (outcome.kind === "granted" || outcome.kind === "repeated") {
        const slot = Number(word.slice(word.lastIndexOf(" ") + 1));
        events[outcome.kind](saleId, outcome.number, attempt.userId, slot, attempt.keyHash);
      } else if (outcome.kind === "sold_out") soldOut = true;
      attempt.resolve(outcome);
    }
    if (soldOut) events.soldOut(saleId, gate);
  }

  function fail(lane: Lane, gate: OpenGate, attempts: Attempt[], error: unknown): void {
    log.warn({ saleId: lane.saleId, reason: String(error) }, "a grab call failed");
    gates.notice(shardOf(lane.saleId), gate, error);
    // A fence refuses the script before it begins; after any other error it may have run.
    settle(attempts, unavailable(isFence(error) ? "recovering" : "unknown"));
    waiting -= lane.waiting.length;
    settle(lane.waiting.splice(0), unavailable("overloaded"));
  }

  function settle(attempts: Attempt[], outcome: GrabOutcome): void {
    for (const attempt of attempts) attempt.resolve(outcome);
  }

  return {
    grab(saleId, userId, keyHash) {
      if (!gates.at(shardOf(saleId))) return Promise.resolve(unavailable("recovering"));
      if (waiting >= limits.grabWaitingAttemptsMax)
        return Promise.resolve(unavailable("overloaded"));
      let lane = lanes.get(saleId);
      if (!lane) {
        lane = { saleId, waiting: [], callsInFlight: 0, scheduled: false };
        lanes.set(saleId, lane);
      }
      if (isStale(lane.waiting[0])) return Promise.resolve(unavailable("overloaded"));
      const at = lane;
      waiting += 1;
      return new Promise((resolve) => {
        at.waiting.push({ userId, keyHash, since: performance.now(), resolve });
        schedule(at);
      });
    },
    waiting: () => waiting,
  };
}

// What all parts of the ledger's thread share.

import { setTimeout as sleep } from "node:timers/promises";
import type { CouponCodes } from "../coupons/code.ts";
import type { DatabasePool } from "../db/client.ts";
import { limits } from "../limits.ts";
import type { Log } from "../log.ts";
import type { Redis } from "../redis/client.ts";
import type { LedgerMetrics } from "./metrics.ts";
import type { FromWorker, LedgerSettings, WitnessedGrant } from "./protocol.ts";

export interface LedgerContext {
  readonly settings: LedgerSettings;
  readonly log: Log;
  /** For commands that do not wait. */
  readonly redis: Redis;
  readonly pool: DatabasePool;
  readonly metrics: LedgerMetrics;
  readonly codes: CouponCodes;
  /** Whether this process has reached MySQL long enough to tell who lives. */
  readonly heart: { readonly isSteady: boolean };
  /**
   * Resolves when this process counts among the living. No gate opens before: a process that confirms grants
   * must be one that recovery waits for.
   */
  readonly enrolled: Promise<void>;
  /** Aborted when the thread is to drain and end. */
  readonly stopping: AbortSignal;
  post(message: FromWorker): void;
  /** The grants of a shard that this process has confirmed lately; under epochs before `epoch`. */
  witnessed(shard: number, epoch: number): Promise<WitnessedGrant[]>;
}

/**
 * Waits, or returns early when `signal` is aborted; never without a turn of the event loop, because a loop that
 * waits for something else would otherwise keep it from happening.
 */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) await sleep(0);
  else await sleep(milliseconds, undefined, { signal }).catch(() => undefined);
}

/** Growing waits between tries, with jitter so that processes do not try in step. */
export class BackOff {
  #delayMs: number = limits.retryDelayMsMin;

  constructor(readonly signal: AbortSignal) {}

  async wait(): Promise<void> {
    const delayMs = this.#delayMs * (0.5 + Math.random() / 2);
    this.#delayMs = Math.min(this.#delayMs * 2, limits.retryDelayMsMax);
    await pause(delayMs, this.signal);
  }

  reset(): void {
    this.#delayMs = limits.retryDelayMsMin;
  }
}

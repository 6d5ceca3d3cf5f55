// What the clients write down: one line for each attempt when its answer has come, or did not come in time.
// The checker reads nothing else about what the service said.

import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";

export type Operation = "grab" | "list" | "make";

/** Times are milliseconds since 1970, of one clock for all clients. */
export interface Attempt {
  readonly t0: number;
  readonly t1: number;
  readonly op: Operation;
  /** 0 for the seller, who makes coupons. */
  readonly user: number;
  /** The coupon's name; "" for a list. */
  readonly sale: string;
  /** Which process was asked, from 0. */
  readonly api: number;
  /** The HTTP status; 0 when there was none. */
  readonly status: number;
  /** The reason of a 204, the message of a refusal, or what happened instead of an answer. */
  readonly result: string;
  /** Whether a refusal says when to come back. */
  readonly retryAfter?: boolean;
  /** What a list showed. */
  readonly names?: readonly string[];
  /** The number of the fault that was on when it began or ended; null when none was. */
  readonly fault: number | null;
  /** Sent when the faults were over, to see that everything has a definite answer now. */
  readonly closing?: true;
}

/** Reads a history in the order in which it was written, which is the order of the answers. */
export async function* readHistory(file: string): AsyncGenerator<Attempt> {
  const lines = createInterface({
    input: createReadStream(file),
    crlfDelay: Number.POSITIVE_INFINITY,
  });
  for await (const line of lines) yield JSON.parse(line) as Attempt;
}

// What the bench and its load generator, which is a process of its own, tell each other.

/** What to send: `count` requests of `requestBytes` bytes each, one after the other in `file`. */
export interface LoadOrder {
  readonly url: string;
  readonly connections: number;
  /** How long it is measured, after `rampSeconds` in which nothing is. */
  readonly seconds: number;
  readonly rampSeconds: number;
  readonly file: string;
  readonly requestBytes: number;
  readonly count: number;
  /** How often the whole file may be sent. */
  readonly rounds: number;
}

export interface Latency {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
}

/** The statuses of answers, with how often each came. */
export type Statuses = Record<string, number>;

export interface LoadResult {
  /** Length of the measured window. */
  readonly seconds: number;
  /** In the window, by status. */
  readonly answered: Statuses;
  readonly latency: Record<string, Latency>;
  /** From the window's begin until the last answer: the window, and what was still under way at its end. */
  readonly answeredWithTail: Statuses;
  /** From the first request on, ramp included: what the audit compares. */
  readonly answeredInAll: Statuses;
  /** Requests that got no answer: a lost connection or a timeout. */
  readonly errors: number;
  /** When the last 201 arrived, in milliseconds since the epoch; 0 without one. */
  readonly lastWonAt: number;
  /** True when the requests ran out before the time did. */
  readonly exhausted: boolean;
  /** CPU of the generator itself, microseconds per request. */
  readonly generatorMicros: number;
}

export type FromGenerator =
  | { type: "begun" }
  /** The window is over; what is under way is still waited for. */
  | { type: "ended" }
  | { type: "result"; result: LoadResult };

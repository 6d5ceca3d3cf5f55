// What the audit says when two of the stores do not agree.

/** What is wrong, in one word for programs. */
export type FindingKind =
  /** The gate and MySQL's row of the shard, the leases, the stream and its cursor. */
  | "gate"
  | "lease"
  | "stream"
  /** What MySQL refused for good. */
  | "dead_letters"
  /** The sale's hash is not in Redis. */
  | "sale_missing"
  /** The sale's hash in Redis lacks a counter. */
  | "sale_broken"
  /** A key of the sale in Redis is of another type than it must be. */
  | "unreadable"
  /** Limit, total or window of a sale are not the same in both stores. */
  | "sale_differs"
  /** It is open in one store and paused in the other. */
  | "state_differs"
  | "counters"
  /** MySQL has read the stream to its end, and lacks the last grants of the sale. */
  | "entries_lost"
  | "oversold"
  /** A granted number that is neither a row nor waits in the stream. */
  | "number_missing"
  /** A row with a number that was never granted. */
  | "number_unknown"
  /** A row that says two things at once, such as returned and held. */
  | "row_invalid"
  | "over_limit"
  /** A grant that Redis's winners do not have. */
  | "winner_missing"
  /** A winner in Redis without a grant. */
  | "winner_unknown"
  /** Row and winner say different things of one number. */
  | "winner_differs"
  /** A grant that has no coupon. */
  | "coupon_missing"
  /** A coupon that has no grant, or one that can be used although its grant was given back. */
  | "coupon_unknown"
  /** A coupon of another user, of another template, or with another code than its grant says. */
  | "coupon_differs"
  /** The state of a coupon is not what its history ends with. */
  | "coupon_state"
  /** What a template counts as locked, used, set aside or spent is not what its coupons say. */
  | "coupon_counters"
  /** There is so much that not all of it was looked at. */
  | "more";

export interface Finding {
  readonly kind: FindingKind;
  readonly shard: number;
  /** Absent where it is the whole shard's. */
  readonly saleId?: number;
  /** One sentence for people. */
  readonly text: string;
  /** The first few grant numbers that it is about, where it is about numbers. */
  readonly numbers: readonly number[];
  /** How many numbers, or things, it is about. */
  readonly count: number;
}

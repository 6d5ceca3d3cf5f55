// Folds a history into what the checker needs to know of each customer and sale, and notices on the way what
// contradicts an answer that was given before. One pass: a long run has millions of attempts.
//
// An answer is only held against another when that one had come before this one was asked for; attempts that
// overlap may be decided in either order. What has no answer may have had its effect or not.

import type { Findings } from "./findings.ts";
import type { Attempt } from "./history.ts";

/** What one customer did and was told about one sale. Times that never came are infinite. */
export interface Story {
  /** When the first two attempts began. */
  readonly starts: [number, number];
  /** How often the answer was "won". */
  won: number;
  /** When the first answer came that said that the customer has it. */
  confirmedAt: number;
  /** When the first answer "repeated" came, and when its attempt began. */
  repeatedAt: number;
  repeatedFrom: number;
  /** When a list first showed it. */
  listedAt: number;
  /** The first answer that contradicts an earlier one, in words. */
  contradiction: string | undefined;
}

export interface Tally {
  attempts: number;
  definite: number;
  /** Milliseconds that definite answers to grabs took. */
  readonly latencies: number[];
}

export interface Folded {
  readonly stories: Map<string, Map<number, Story>>;
  /** When a sale was first told to be sold out. */
  readonly soldOutAt: Map<string, number>;
  /** The first time that somebody began to win afterwards, in words. */
  readonly soldAgain: Map<string, string>;
  readonly madeAt: Map<string, number>;
  /** How often each answer came. */
  readonly answers: Map<string, number>;
  readonly outside: Tally;
  readonly inside: Tally;
  readonly closing: Tally;
}

const NEVER = Number.POSITIVE_INFINITY;
/** A full page may have pushed older ones to the next. */
const LIST_PAGE = 20;
const DOCUMENTED = new Set([
  ...["grab 201 won", "grab 204 repeated", "grab 204 sold_out", "grab 204 not_found"],
  ...["list 200", "list 204", "make 201"],
  "make 400 Create failed. Maybe (username,coupon name) duplicates",
]);
/** What happened where no answer came. */
const NONE = new Set(["timeout", "reset", "refused"]);

const newStory = (): Story => ({
  ...{ starts: [NEVER, NEVER], won: 0, confirmedAt: NEVER, contradiction: undefined },
  ...{ repeatedAt: NEVER, repeatedFrom: NEVER, listedAt: NEVER },
});
const newTally = (): Tally => ({ attempts: 0, definite: 0, latencies: [] });

export class Fold implements Folded {
  readonly stories = new Map<string, Map<number, Story>>();
  readonly soldOutAt = new Map<string, number>();
  readonly soldAgain = new Map<string, string>();
  readonly madeAt = new Map<string, number>();
  readonly answers = new Map<string, number>();
  readonly outside = newTally();
  readonly inside = newTally();
  readonly closing = newTally();
  /** The sales that each user has been told to have. */
  readonly #owned = new Map<number, Map<string, Story>>();

  constructor(readonly findings: Findings) {}

  /** Takes the next attempt, in the order of the answers. */
  take(attempt: Attempt): void {
    this.#count(attempt);
    this.#judgeAnswer(attempt);
    if (attempt.op === "grab") this.#takeGrab(attempt);
    if (attempt.op === "list" && attempt.names) this.#takeList(attempt, attempt.names);
    if (attempt.op === "list" && attempt.status === 204) this.#takeList(attempt, []);
    if (attempt.op === "make" && attempt.status === 201) {
      this.madeAt.set(attempt.sale, attempt.t1);
    }
  }

  #count({ op, status, result, t0, t1, fault, closing }: Attempt): void {
    const answer = `${op} ${status === 0 ? "no answer" : status} ${result}`.trim();
    this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1);
    const tally = closing ? this.closing : fault === null ? this.outside : this.inside;
    tally.attempts++;
    if (status < 200 || status >= 500) return;
    tally.definite++;
    if (op === "grab") tally.latencies.push(t1 - t0);
  }

  #judgeAnswer({ op, status, result, retryAfter, sale, t0 }: Attempt): void {
    const answer = `${op} ${status} ${result}`.trim();
    const fine =
      status === 0 ? NONE.has(result) : status === 503 ? retryAfter : DOCUMENTED.has(answer);
    if (!fine) this.findings.add("documented", `${answer}${retryAfter ? "" : ", no Retry-After"}`);
    if (result === "not_found" && (this.madeAt.get(sale) ?? NEVER) < t0) {
      this.findings.add("documented", `${sale} was not found after it had been made`);
    }
  }

  #story(sale: string, user: number): Story {
    const ofSale = this.stories.get(sale) ?? new Map<number, Story>();
    this.stories.set(sale, ofSale);
    const story = ofSale.get(user) ?? newStory();
    ofSale.set(user, story);
    return story;
  }

  #takeGrab({ user, sale, t0, t1, status, result }: Attempt): void {
    const story = this.#story(sale, user);
    const { starts } = story;
    if (t0 < starts[0]) [starts[0], starts[1]] = [t0, starts[0]];
    else if (t0 < starts[1]) starts[1] = t0;
    const told = status === 201 ? "won" : status === 204 ? result : undefined;
    if (told === undefined) return;
    const before = story.confirmedAt < t0 || (told === "won" && story.won > 0);
    if (before && told !== "repeated") {
      story.contradiction ??= `user ${user} had ${sale} and was told: ${told}`;
    }
    if (told === "sold_out") {
      this.soldOutAt.set(sale, Math.min(t1, this.soldOutAt.get(sale) ?? NEVER));
    }
    if (told === "won") {
      story.won++;
      if ((this.soldOutAt.get(sale) ?? NEVER) < t0 && !this.soldAgain.has(sale)) {
        this.soldAgain.set(sale, `user ${user} won ${sale} after it was told to be sold out`);
      }
    }
    if (told === "repeated" && t1 < story.repeatedAt) {
      [story.repeatedAt, story.repeatedFrom] = [t1, t0];
    }
    if (told === "won" || told === "repeated") {
      story.confirmedAt = Math.min(t1, story.confirmedAt);
      const owned = this.#owned.get(user) ?? new Map<string, Story>();
      this.#owned.set(user, owned.set(sale, story));
    }
  }

  #takeList({ user, t0, t1, fault }: Attempt, names: readonly string[]): void {
    for (const name of names) {
      const story = this.#story(name, user);
      story.listedAt = Math.min(t1, story.listedAt);
    }
    // While Redis is away a list shows what MySQL has, and a full page may have pushed a sale to the next one.
    if (fault !== null || names.length >= LIST_PAGE) return;
    for (const [sale, story] of this.#owned.get(user) ?? []) {
      if (story.confirmedAt < t0 && !names.includes(sale)) {
        story.contradiction ??= `user ${user} had ${sale} and the list does not show it`;
      }
    }
  }
}

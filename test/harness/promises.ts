// What users were told of one sale, and whether it was kept. A fault test lets users grab through one or more
// engines, and asks at the end whether the rows, the answers and Redis belong together.

import { asc, eq } from "drizzle-orm";
import type { GrabOutcome } from "../../src/grab/outcome.ts";
import { deadLetters, grants } from "../../src/ledger/table.ts";
import type { Engine } from "./engine.ts";
import { until } from "./until.ts";

/** All that a user of a sale of limit one may be told while servers fail. */
const DOCUMENTED = new Set(["granted", "repeated", "sold_out", "unavailable"]);

/** What a fault may cost in the mode that is tested; nothing, unless said. */
interface Allowed {
  /** Numbers that recovery could not account for. */
  readonly voids?: number;
  /** Confirmed grants whose number MySQL gave to somebody else, or to nobody. */
  readonly lost?: number;
}

/** The users of one sale, and every answer they were given. */
export class Customers {
  readonly #told = new Map<number, GrabOutcome[]>();
  /** Times at which attempts ended and what they ended with, in order. */
  readonly answers: { at: number; kind: GrabOutcome["kind"] }[] = [];

  constructor(readonly saleId: number) {}

  /** One attempt. */
  async ask(on: Engine, user: number): Promise<GrabOutcome> {
    const outcome = await on.grab(this.saleId, user);
    const told = this.#told.get(user) ?? [];
    told.push(outcome);
    this.#told.set(user, told);
    this.answers.push({ at: performance.now(), kind: outcome.kind });
    return outcome;
  }

  /** One user asks until the answer is definite. */
  insist(on: Engine, user: number): Promise<GrabOutcome> {
    return until(
      `a definite answer for user ${user}`,
      async () => {
        const outcome = await this.ask(on, user);
        if (outcome.kind === "unavailable") throw new Error(outcome.reason);
        return outcome;
      },
      { withinMs: 20_000 },
    );
  }

  /** These users insist all at once; on several engines they take turns. Gives how many have won. */
  async crowd(on: Engine | readonly Engine[], [first, last]: readonly [number, number]) {
    const engines = "grab" in on ? [on] : on;
    const users = Array.from({ length: last - first + 1 }, (_, i) => first + i);
    const outcomes = await Promise.all(
      users.map((user) => this.insist(engines[user % engines.length] as Engine, user)),
    );
    return outcomes.filter(({ kind }) => kind === "granted" || kind === "repeated").length;
  }

  /** Every number that each user was told, without repetitions. */
  confirmed(): [user: number, numbers: number[]][] {
    return [...this.#told].flatMap(([user, outcomes]) => {
      const numbers = outcomes.flatMap((one) =>
        one.kind === "granted" || one.kind === "repeated" ? [one.number] : [],
      );
      return numbers.length > 0 ? [[user, [...new Set(numbers)]] as [number, number[]]] : [];
    });
  }

  /**
   * Waits until MySQL has all that Redis has granted, then throws unless every promise was kept: answers only
   * from the documented set, numbers without gaps, nobody twice, no row without an attempt, never more than
   * `total`, each confirmed grant a row, and no dead letter. Gives the numbers that are void.
   */
  async assertKept(on: Engine, total: number, { voids = 0, lost = 0 }: Allowed = {}) {
    const rows = await this.#settledRows(on);
    const active = rows.filter(({ state }) => state === "granted");
    const owners = new Map(active.map(({ grantNo, userId }) => [grantNo, userId]));
    const void_ = rows.filter(({ state }) => state === "void").map(({ grantNo }) => grantNo);
    const broken: string[] = [];
    const must = (ok: boolean, what: string) => void (ok || broken.push(what));
    for (const { kind } of this.answers) must(DOCUMENTED.has(kind), `somebody was told ${kind}`);
    must(active.length <= total, `${active.length} of ${total} units are sold`);
    must(new Set(active.map(({ userId }) => userId)).size === active.length, "a user has two");
    must(void_.length === voids, `${void_.length} numbers are void instead of ${voids}`);
    for (const [i, { grantNo }] of rows.entries()) must(grantNo === i + 1, `a gap at ${grantNo}`);
    for (const { userId } of active) must(this.#told.has(userId), `${userId} never asked`);
    const missing = this.confirmed().flatMap(([user, numbers]) =>
      numbers.filter((number) => owners.get(number) !== user).map((number) => [user, number]),
    );
    must(missing.length === lost, `lost (user, number): ${missing.join(" ")}`);
    const letters = await on.pool.db.$count(deadLetters, eq(deadLetters.saleId, this.saleId));
    must(letters === 0 || lost > 0, `${letters} dead letters`);
    if (broken.length > 0) throw new Error([...new Set(broken)].slice(0, 20).join("; "));
    return void_;
  }

  /** All rows by number, once Redis and MySQL say the same of the sale. */
  #settledRows(on: Engine) {
    return until(
      "Redis and MySQL to agree",
      async () => {
        const { granted, recorded } = await on.counters(this.saleId);
        const rows = await on.pool.db
          .select()
          .from(grants)
          .where(eq(grants.saleId, this.saleId))
          .orderBy(asc(grants.grantNo));
        const seen = `${granted} granted, ${recorded} recorded, ${rows.length} rows`;
        if (granted !== String(rows.length) || recorded !== granted) throw new Error(seen);
        return rows;
      },
      { withinMs: 20_000 },
    );
  }

  /** The longest time between two definite answers of those from `since` on, in milliseconds. */
  longestSilenceMs(since = 0): number {
    const definite = this.answers.slice(since).filter(({ kind }) => kind !== "unavailable");
    return Math.max(0, ...definite.slice(1).map(({ at }, i) => at - (definite[i]?.at ?? at)));
  }
}

// A crowd that writes down what it is told, and the comparison of that with the books: what fault tests assert.

import { saleKeys } from "../../src/redis/keys.ts";
import { grab, inParallel, type mintCustomer, type TestCoupon } from "./http.ts";
import { assertRows, type Behind } from "./service.ts";
import { until } from "./until.ts";

export type Customer = Awaited<ReturnType<typeof mintCustomer>>;

/** How long a customer waits for one answer, and how long until a definite one, in milliseconds. */
const ANSWER_MS = 2_000;
const PATIENCE_MS = 45_000;

const DEFINITE = new Set(["won", "repeated", "sold_out"]);

/** What customers were told, by user id: the definite outcome, and all that came before it. */
export interface Told {
  readonly outcomes: Map<number, string>;
  /** Every answer of the crowd; "lost" is one that never came. */
  readonly answers: string[];
}

/** One attempt: its outcome, or "lost" after a reset, a refusal to connect, or no answer in time. */
export const attempt = (url: string, coupon: TestCoupon, { token }: Customer): Promise<string> =>
  grab(url, coupon, token, AbortSignal.timeout(ANSWER_MS)).catch(() => "lost");

/**
 * Each customer asks, at one URL after the other, until the answer is definite. Throws when an answer is not one
 * of those that a grab may get.
 */
export async function crowdAsks(
  urls: () => readonly string[],
  coupon: TestCoupon,
  customers: readonly Customer[],
  atOnce = 32,
): Promise<Told> {
  const answers: string[] = [];
  const outcomes = await inParallel(customers, atOnce, async (customer, index) => {
    let which = index;
    const asked = async () => {
      const all = urls();
      const answer = await attempt(all[which++ % all.length] ?? "", coupon, customer);
      answers.push(answer);
      return DEFINITE.has(answer) || (answer !== "503" && answer !== "lost") ? answer : undefined;
    };
    const what = `a definite answer for ${customer.id}`;
    const outcome = await until(what, asked, { withinMs: PATIENCE_MS });
    if (!DEFINITE.has(outcome)) throw new Error(`a grab was answered ${outcome}`);
    return outcome;
  });
  return { answers, outcomes: new Map(customers.map(({ id }, i) => [id, outcomes[i] ?? ""])) };
}

/** Those who were told that they have a unit. */
const winnersOf = (told: readonly Told[]): Set<number> =>
  new Set(
    told.flatMap(({ outcomes }) =>
      [...outcomes].flatMap(([id, outcome]) => (outcome === "sold_out" ? [] : [id])),
    ),
  );

/**
 * Waits until MySQL has exactly the winners that the crowds were told of, numbered without gaps and each once, and
 * until Redis counts the same and knows that all of it is recorded. Nobody may have been told "sold out" before
 * `total` units were gone.
 */
export async function untilBooksAgree(
  past: Behind,
  coupon: TestCoupon,
  total: number,
  ...told: Told[]
): Promise<void> {
  const winners = winnersOf(told);
  const refused = told.some(({ outcomes }) => [...outcomes.values()].includes("sold_out"));
  if (winners.size > total || (refused && winners.size < total)) {
    throw new Error(`${winners.size} of ${total} units were sold, and some were refused`);
  }
  const saleId = await until("the sale", () => past.saleIdOf(coupon.name));
  await until(
    `${winners.size} rows`,
    async () => {
      const rows = await past.rowsOf(saleId);
      assertRows(rows, winners.size);
      const stranger = rows.find(({ user }) => !winners.has(user));
      if (stranger) throw new Error(`user ${stranger.user} has a row and was told of no grant`);
      return true;
    },
    { withinMs: PATIENCE_MS },
  );
  await until("Redis to count the same", async () => {
    const counters = await past.redis.hmget(saleKeys(saleId).sale, "granted", "recorded");
    const expected = String(winners.size);
    return (
      counters.every((value) => value === expected) || Promise.reject(new Error(counters.join()))
    );
  });
}

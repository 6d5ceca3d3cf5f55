// Whether a mutant was caught, and by what: by the test that is named for it, and by that test's own judgement.

import type { TestName, TestOutcome } from "./run.ts";

/** What must work in every mutant: one that does not start would fail any test, and prove nothing. */
export const ALIVE: TestName = {
  file: "test/alive.test.ts",
  title: "a coupon is made, won by one customer, and becomes a row",
};

/** What is thrown by code that is broken, or by a test that did not come to its judgement. */
const NO_JUDGEMENT = new Set(["TimeoutError", "SyntaxError", "ReferenceError", "TypeError"]);

/** `by` is the judgement of the test that caught it. */
export type Verdict =
  | { readonly caught: true; readonly by: string }
  | { readonly caught: false; readonly why: string };

const not = (why: string): Verdict => ({ caught: false, why });

const find = (outcomes: readonly TestOutcome[], { file, title }: TestName) =>
  outcomes.find((outcome) => outcome.file === file && outcome.title === title);

/** The verdict on the run of a mutant; `outcomes` is undefined when it had to be killed. */
export function verdictOn(test: TestName, outcomes: readonly TestOutcome[] | undefined): Verdict {
  if (!outcomes) return not("it hangs: the run had to be killed");
  const alive = find(outcomes, ALIVE);
  if (!alive) return not("it does not start");
  if (alive.failure) return not(`it does not work at all: ${alive.failure.message}`);
  const named = find(outcomes, test);
  if (!named) return not("the test did not run");
  if (!named.failure) return not("IT SURVIVES");
  const { type, message } = named.failure;
  if (NO_JUDGEMENT.has(type)) return not(`the test did not come to its judgement: ${message}`);
  return { caught: true, by: message };
}

/** What is wrong with these tests on the tree as it is, where all of them must pass; undefined when nothing is. */
export function faultOf(
  tests: readonly TestName[],
  outcomes: readonly TestOutcome[] | undefined,
): string | undefined {
  if (!outcomes) return "the run had to be killed";
  for (const test of tests) {
    const outcome = find(outcomes, test);
    if (!outcome) return `there is no such test: ${test.file}: ${test.title}`;
    if (outcome.failure)
      return `fails without any edit: ${outcome.title}: ${outcome.failure.message}`;
  }
  return undefined;
}

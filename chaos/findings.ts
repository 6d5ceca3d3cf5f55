// What the checker found wrong.

export const RULES = {
  recorded: "every confirmed grab is a row",
  phantom: "no row and no list without an attempt by that user",
  once: "nobody has more than one",
  oversold: "never more than the total",
  numbers: "each number once, without gaps, and no number burned without a loss",
  counters: "counters and winners agree with the rows",
  sameAnswer: "nobody who has won is told anything else",
  soldOut: "nobody is told sold out while something is left",
  documented: "only documented answers",
  ownList: "one's own list shows what was won",
  deadLetters: "nothing was left out of the ledger",
  reported: "every burned number is reported",
  bounded: "memory and streams stay bounded",
  available: "most attempts without a fault have a definite answer",
  again: "grants come again after each fault",
  resolved: "a repeat after the faults has a definite answer",
  wellBehaved: "processes end only when they are made to, and all becomes calm",
  audit: "the service's own audit finds nothing",
  happened: "enough happened to say something",
} as const;
export type Rule = keyof typeof RULES;

const EXAMPLES_MAX = 8;

/** Counts what breaks each rule and keeps the first examples. */
export class Findings {
  readonly #found = new Map<Rule, { count: number; examples: string[] }>();

  add(rule: Rule, text: string): void {
    const found = this.#found.get(rule) ?? { count: 0, examples: [] };
    found.count++;
    if (found.examples.length < EXAMPLES_MAX) found.examples.push(text);
    this.#found.set(rule, found);
  }

  /** By rule, in the order of the rules. */
  all(): { rule: Rule; promise: string; count: number; examples: readonly string[] }[] {
    return (Object.keys(RULES) as Rule[]).flatMap((rule) => {
      const found = this.#found.get(rule);
      return found ? [{ rule, promise: RULES[rule], ...found }] : [];
    });
  }
}

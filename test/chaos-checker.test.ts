// The checker of `bun run chaos` must fail a history that breaks a promise: each rule is shown one that does,
// beside the same history without the fault, which passes.

import { describe, expect, test } from "bun:test";
import { Findings, type Rule } from "../chaos/findings.ts";
import { Fold } from "../chaos/fold.ts";
import type { Attempt } from "../chaos/history.ts";
import { checkSale, checkUnknownSales, type FinalSale } from "../chaos/rules.ts";

const [ann, ben, cat] = [1, 2, 3];

/** An attempt on the sale "phone" that began at `t0` and lasted a millisecond. */
const grab = (t0: number, user: number, told: string, more: Partial<Attempt> = {}): Attempt => {
  const status = told === "won" ? 201 : ["timeout", "reset"].includes(told) ? 0 : 204;
  return {
    ...{ t0, t1: t0 + 1, op: "grab", user, sale: "phone", api: 0, fault: null },
    ...{ status, result: told, ...more },
  };
};
const list = (t0: number, user: number, names: string[], fault: number | null = null): Attempt => ({
  ...{ t0, t1: t0 + 1, op: "list", user, sale: "", api: 0, status: 200, result: "", names, fault },
});
const made: Attempt = {
  ...{ t0: 0, t1: 1, op: "make", user: 0, sale: "phone", api: 0 },
  ...{ status: 201, result: "", fault: null },
};

/** A sale as it is stored after these users have won in this order; 0 stands for a burned number. */
function stored(users: number[], more: Partial<FinalSale> = {}): FinalSale {
  const rows = users.map((user, place) => ({
    ...{ number: place + 1, user, state: user === 0 ? "void" : "granted" },
  }));
  const winners = new Map(
    rows.filter(({ user }) => user > 0).map(({ user, number }) => [user, number]),
  );
  const granted = rows.length;
  const returned = granted - winners.size;
  return {
    ...{ name: "phone", total: 2, granted, returned, rows },
    redis: { granted, returned, recorded: granted, winners },
    ...more,
  };
}

/** The rules that this history and this sale break. */
function broken(attempts: Attempt[], sale: FinalSale, loss = false): Rule[] {
  const findings = new Findings();
  const folded = new Fold(findings);
  for (const attempt of attempts) folded.take(attempt);
  checkSale(sale, folded, loss, findings);
  checkUnknownSales(new Set([sale.name]), folded, findings);
  return findings.all().map(({ rule }) => rule);
}

const good: Attempt[] = [
  made,
  grab(10, ann, "won"),
  grab(20, ben, "timeout"),
  list(30, ann, ["phone"]),
  grab(40, ann, "repeated"),
  grab(50, ben, "repeated"),
  grab(60, cat, "sold_out"),
];

describe("a history is accepted", () => {
  test("when all that was confirmed is stored", () => {
    expect(broken(good, stored([ann, ben]))).toEqual([]);
  });

  test("whether an attempt without an answer had its effect or not", () => {
    const attempts = [made, grab(10, ann, "won"), grab(20, ben, "reset")];
    expect(broken(attempts, stored([ann, ben]))).toEqual([]);
    expect(broken(attempts, stored([ann]))).toEqual([]);
  });

  test("when attempts that overlap are decided in the other order", () => {
    const late = grab(10, ann, "sold_out", { t1: 30 });
    expect(broken([made, grab(12, ann, "won"), late], stored([ann], { total: 1 }))).toEqual([]);
  });

  test("when a list that is read during a fault shows less", () => {
    const attempts = [made, grab(10, ann, "won"), list(20, ann, [], 1)];
    expect(broken(attempts, stored([ann]))).toEqual([]);
  });
});

describe("a history is refused", () => {
  test("when a confirmed grab is not a row", () => {
    expect(broken(good, stored([ann, cat]))).toContain("recorded");
    expect(broken(good.slice(0, 2), stored([]))).toEqual(["recorded"]);
  });

  test("when what a list has shown is not a row", () => {
    const attempts = [made, grab(10, ann, "reset"), list(20, ann, ["phone"])];
    expect(broken(attempts, stored([]))).toEqual(["recorded"]);
  });

  test("when a sale that somebody has won from is not stored", () => {
    const attempts = [...good, grab(70, ann, "won", { sale: "watch" })];
    expect(broken(attempts, stored([ann, ben]))).toEqual(["recorded"]);
  });

  test("when somebody has a row who never tried", () => {
    expect(broken([made, grab(10, ann, "won")], stored([ann, cat]))).toEqual(["phantom"]);
  });

  test("when a first attempt is told to be a repeated one", () => {
    const attempts = [made, grab(10, ann, "repeated"), grab(20, ann, "repeated")];
    expect(broken(attempts, stored([ann]))).toEqual(["phantom"]);
  });

  test("when a list shows what its user never tried to get", () => {
    const attempts = [made, list(10, ann, ["phone"]), grab(20, ann, "repeated")];
    expect(broken(attempts, stored([ann]))).toContain("phantom");
  });

  test("when a user has two rows", () => {
    const attempts = [made, grab(10, ann, "won"), grab(20, ann, "reset")];
    expect(broken(attempts, stored([ann, ann]))).toContain("once");
  });

  test("when more are sold than there are", () => {
    const attempts = [made, grab(10, ann, "won"), grab(20, ben, "won"), grab(30, cat, "won")];
    expect(broken(attempts, stored([ann, ben, cat]))).toEqual(["oversold"]);
  });

  test("when a number is missing, and when one stands twice", () => {
    const attempts = [made, grab(10, ann, "won"), grab(11, ben, "won")];
    for (const numbers of [
      [1, 3],
      [2, 2],
    ]) {
      const rows = [ann, ben].map((user, place) => ({
        ...{ number: numbers[place] ?? 0, user, state: "granted" },
      }));
      expect(broken(attempts, stored([ann, ben], { rows }))).toContain("numbers");
    }
  });

  test("when a number was burned though nothing was lost", () => {
    expect(broken([made, grab(10, ann, "won")], stored([ann, 0]))).toEqual(["numbers"]);
  });

  test("when a counter or a winner differs from the rows", () => {
    const attempts = [made, grab(10, ann, "won")];
    const sale = stored([ann]);
    const redis = sale.redis as NonNullable<FinalSale["redis"]>;
    const wrong: Partial<FinalSale>[] = [
      { granted: 2 },
      { returned: 1 },
      { redis: undefined },
      { redis: { ...redis, granted: 0 } },
      { redis: { ...redis, recorded: 0 } },
      { redis: { ...redis, returned: 1 } },
      { redis: { ...redis, winners: new Map() } },
      { redis: { ...redis, winners: new Map([[ann, 2]]) } },
      { redis: { ...redis, winners: new Map([...redis.winners, [ben, 2]]) } },
    ];
    for (const change of wrong) {
      expect(broken(attempts, { ...sale, ...change })).toEqual(["counters"]);
    }
  });

  test.each(["won", "sold_out", "not_found"])("when a winner is told later: %s", (told) => {
    const attempts = [made, grab(10, ann, "won"), grab(20, ann, told)];
    expect(broken(attempts, stored([ann], { total: 1 }))).toContain("sameAnswer");
  });

  test("when a user is told twice to have won, also by overlapping attempts", () => {
    const attempts = [made, grab(10, ann, "won"), grab(10.5, ann, "won")];
    expect(broken(attempts, stored([ann]))).toEqual(["sameAnswer"]);
  });

  test("when somebody is told that it is sold out while something is left", () => {
    const attempts = [made, grab(10, ann, "won"), grab(20, ben, "sold_out")];
    expect(broken(attempts, stored([ann]))).toEqual(["soldOut"]);
    expect(broken([...attempts, grab(30, cat, "won")], stored([ann, cat]))).toEqual(["soldOut"]);
  });

  test("when a list that no fault disturbs does not show what was won", () => {
    const attempts = [made, grab(10, ann, "won"), list(20, ann, [])];
    expect(broken(attempts, stored([ann]))).toEqual(["ownList"]);
  });

  test("when an answer is not in the documentation", () => {
    const odd = [
      grab(10, ann, "limit_reached"),
      grab(10, ann, "", { status: 500, result: "Internal error." }),
      grab(10, ann, "", { status: 503, result: "Busy.", retryAfter: false }),
      grab(10, ann, "not_found"),
    ];
    for (const attempt of odd) {
      expect(broken([made, attempt], stored([]))).toEqual(["documented"]);
    }
    const busy = { status: 503, result: "Busy.", retryAfter: true };
    expect(broken([made, grab(10, ann, "", busy)], stored([]))).toEqual([]);
  });
});

describe("after a loss that was reported", () => {
  const attempts = [made, grab(10, ann, "won"), grab(20, ann, "won"), grab(30, ben, "won")];

  test("as many may be without their grant, or be told two things, as numbers were burned", () => {
    expect(broken(attempts, stored([0, ann, ben]), true)).toEqual([]);
    expect(broken([made, grab(10, ann, "won")], stored([0]), true)).toEqual([]);
  });

  test("one more may not", () => {
    expect(broken(attempts.slice(0, 2), stored([]), true)).toEqual(["recorded"]);
    expect(broken([...attempts, grab(40, cat, "won")], stored([0, ann]), true)).toContain(
      "recorded",
    );
  });
});

import { describe, expect, test } from "bun:test";
import { SALE, settle, soldOutRig, soldOutSale } from "../../test/harness/soldout-rig.ts";
import { limits } from "../limits.ts";
import { shardOf } from "../redis/keys.ts";
import type { OpenGate } from "./gates.ts";

describe("a snapshot", () => {
  test("gives winners their number and everybody else `sold_out`, without asking Redis", async () => {
    const { soldOut, notice, asked } = soldOutRig();
    await notice();
    const before = { ...asked };
    expect(soldOut.answer(SALE, "u2")).toEqual({ kind: "repeated", number: 2 });
    expect(soldOut.answer(SALE, "u9")).toEqual({ kind: "sold_out" });
    expect(asked).toEqual(before);
  });

  test("is not there before a call has said `sold_out`", () => {
    expect(soldOutRig().soldOut.answer(SALE, "u2")).toBeUndefined();
  });

  test("of a long list has every winner", async () => {
    const { soldOut, notice } = soldOutRig(soldOutSale(2_500));
    await notice();
    for (const user of [1, 1_000, 1_001, 2_500]) {
      expect(soldOut.answer(SALE, `u${user}`)).toEqual({ kind: "repeated", number: user });
    }
  });

  test("reads the winners as the script does: a slot that was given back wins nothing", async () => {
    const sale = soldOutSale(3);
    Object.assign(sale.facts, { granted: "5", returned: "2" });
    sale.winners.set("u1", "").set("u2", "2:key").set("u3", ",4:key").set("u4", "5");
    const { soldOut, notice } = soldOutRig(sale);
    await notice();
    const answers = ["u1", "u2", "u3", "u4"].map((user) => soldOut.answer(SALE, user));
    expect(answers).toEqual([
      { kind: "sold_out" },
      ...[2, 4, 5].map((number) => ({ kind: "repeated" as const, number })),
    ]);
  });

  test("is taken once, however many calls ask for it meanwhile", async () => {
    const { asked, soldOut, notice, gates } = soldOutRig();
    for (let i = 0; i < 10; i += 1) soldOut.notice(SALE, gates.at(shardOf(SALE)) as OpenGate);
    await notice();
    expect(asked.pages).toBe(1);
  });

  test("is not kept when the numbers moved during the scan", async () => {
    const { sale, meanwhile, soldOut, notice } = soldOutRig();
    meanwhile.page = () => {
      sale.facts.returned = "1";
      sale.facts.granted = "4";
    };
    await notice();
    expect(soldOut.answer(SALE, "u9")).toBeUndefined();
  });

  test.each([
    ["units are left", { total: "4" }],
    ["a unit has come back", { returned: "1" }],
    ["it is paused", { state: "paused" }],
    ["a user may win more than once", { limit: "2" }],
    ["its end is over", { closes: "1800000000000" }],
    ["its end is no time", { closes: "soon" }],
    ["its counters are not numbers", { granted: "nan" }],
  ])("is not taken of a sale when %s", async (_, facts) => {
    const { sale, soldOut, notice } = soldOutRig();
    Object.assign(sale.facts, facts);
    await notice();
    expect(soldOut.answer(SALE, "u9")).toBeUndefined();
  });

  test.each([0, 600_000, -600_000])(
    "of a sale with an end is good until then, by Redis's clock, which is %d ms ahead",
    async (aheadMs) => {
      const { sale, ahead, clock, soldOut, notice } = soldOutRig();
      ahead.ms = aheadMs;
      sale.facts.closes = String(clock.time + aheadMs + 2 * limits.soldOutRefreshMs);
      await notice();
      expect(soldOut.answer(SALE, "u9")).toEqual({ kind: "sold_out" });
      clock.time += limits.soldOutRefreshMs + 1;
      expect(soldOut.answer(SALE, "u9")).toEqual({ kind: "sold_out" });
      await settle();
      clock.time += limits.soldOutRefreshMs - 2;
      expect(soldOut.answer(SALE, "u9")).toEqual({ kind: "sold_out" });
      clock.time += 1;
      expect(soldOut.answer(SALE, "u9")).toBeUndefined();
      expect(soldOut.answer(SALE, "u2")).toBeUndefined();
    },
  );

  test("of a sale that can have none is asked for once a second, or when the sale has changed", async () => {
    const { sale, asked, clock, soldOut, notice } = soldOutRig();
    sale.facts.limit = "2";
    for (let i = 0; i < 10; i += 1) await notice();
    expect(asked.numbers).toBe(1);
    clock.time += limits.soldOutTrustMs + 1;
    for (let i = 0; i < 10; i += 1) await notice();
    expect(asked.numbers).toBe(2);
    sale.facts.limit = "1";
    soldOut.changed(SALE);
    await notice();
    expect(soldOut.answer(SALE, "u9")).toEqual({ kind: "sold_out" });
  });

  test("is not taken of a sale that Redis does not have", async () => {
    const { sales, soldOut, notice } = soldOutRig();
    sales.clear();
    await notice();
    expect(soldOut.answer(SALE, "u9")).toBeUndefined();
  });

  test("can be taken later when Redis did not answer the first time", async () => {
    const { meanwhile, soldOut, notice } = soldOutRig();
    meanwhile.away = true;
    await notice();
    expect(soldOut.answer(SALE, "u2")).toBeUndefined();
    meanwhile.away = false;
    await notice();
    expect(soldOut.answer(SALE, "u2")).toEqual({ kind: "repeated", number: 2 });
  });
});

describe("its age", () => {
  test("the numbers are asked again while it is used, and it lives on while they stand", async () => {
    const { clock, asked, soldOut, notice } = soldOutRig();
    await notice();
    const pages = asked.pages;
    for (let round = 0; round < 20; round += 1) {
      clock.time += limits.soldOutRefreshMs + 1;
      expect(soldOut.answer(SALE, "u9")).toEqual({ kind: "sold_out" });
      await settle();
    }
    expect(asked.pages).toBe(pages);
  });

  test("it is not trusted after a second without a look", async () => {
    const { clock, soldOut, notice } = soldOutRig();
    await notice();
    clock.time += limits.soldOutTrustMs + 1;
    expect(soldOut.answer(SALE, "u9")).toBeUndefined();
    await settle();
    expect(soldOut.answer(SALE, "u9")).toEqual({ kind: "sold_out" });
  });

  test("while Redis is away it expires instead of being believed", async () => {
    const { clock, meanwhile, soldOut, notice } = soldOutRig();
    await notice();
    meanwhile.away = true;
    for (let round = 0; round < 5; round += 1) {
      clock.time += limits.soldOutTrustMs / 2;
      soldOut.answer(SALE, "u9");
      await settle();
    }
    expect(soldOut.answer(SALE, "u9")).toBeUndefined();
  });

  test("a clock that is set back ends it", async () => {
    const { clock, soldOut, notice } = soldOutRig();
    await notice();
    clock.time -= 1;
    expect(soldOut.answer(SALE, "u9")).toBeUndefined();
  });
});

describe("it is dropped", () => {
  test.each([
    ["a unit comes back", { returned: "1" }],
    ["the stock is raised", { total: "10" }],
    ["a returned unit is sold again", { returned: "1", granted: "4" }],
    ["the sale is paused", { state: "paused" }],
    ["the sale gets an end", { closes: "1900000000000" }],
  ])("when %s", async (_, facts) => {
    const { sale, clock, soldOut, notice } = soldOutRig();
    await notice();
    Object.assign(sale.facts, facts);
    clock.time += limits.soldOutRefreshMs + 1;
    soldOut.answer(SALE, "u9");
    await settle();
    expect(soldOut.answer(SALE, "u9")).toBeUndefined();
  });

  test("when the gate closes, and does not come back with the next one", async () => {
    const { gates, soldOut, notice } = soldOutRig();
    await notice();
    const gate = gates.at(shardOf(SALE)) as OpenGate;
    gates.close(shardOf(SALE), gate, "test");
    expect(soldOut.answer(SALE, "u2")).toBeUndefined();
    gates.open(shardOf(SALE), 2, "two");
    expect(soldOut.answer(SALE, "u2")).toBeUndefined();
  });

  test("when the gate opened anew in the meantime", async () => {
    const { gates, soldOut, notice } = soldOutRig();
    await notice();
    gates.open(shardOf(SALE), 2, "two");
    expect(soldOut.answer(SALE, "u2")).toBeUndefined();
  });
});

describe("memory", () => {
  test("a sale with too many winners is always asked of Redis", async () => {
    const { asked, soldOut, notice } = soldOutRig(soldOutSale(limits.soldOutWinnersMax + 1));
    await notice();
    expect(soldOut.answer(SALE, "u1")).toBeUndefined();
    expect(asked.pages).toBe(0);
  });

  test("a winners hash that is longer than the numbers say ends the scan", async () => {
    const sale = soldOutSale(3);
    for (let i = 0; i <= limits.soldOutWinnersMax; i += 1) sale.winners.set(`x${i}`, "1");
    const { soldOut, notice } = soldOutRig(sale);
    await notice();
    expect(soldOut.answer(SALE, "u1")).toBeUndefined();
  });

  test("the oldest snapshots make room when all together would hold too many winners", async () => {
    const { sales, gates, soldOut, notice } = soldOutRig();
    const fit = limits.soldOutWinnersTotalMax / limits.soldOutWinnersMax;
    const big = soldOutSale(limits.soldOutWinnersMax);
    const ids = Array.from({ length: fit + 1 }, (_, i) => SALE + 16 * i);
    for (const id of ids) {
      sales.set(id, big);
      gates.open(shardOf(id), 1, "one");
    }
    const gate = gates.at(shardOf(SALE)) as OpenGate;
    for (const id of ids) {
      soldOut.notice(id, gate);
      await settle();
    }
    const answers = ids.map((id) => soldOut.answer(id, "u1") !== undefined);
    expect(answers).toEqual([false, ...Array.from({ length: fit }, () => true)]);
    await notice(SALE);
    expect(soldOut.answer(SALE, "u1")).toEqual({ kind: "repeated", number: 1 });
  });
});

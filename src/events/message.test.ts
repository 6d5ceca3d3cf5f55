import { describe, expect, test } from "bun:test";
import type { WatchedFacts } from "./facts.ts";
import { isSame, saleEvent, saleMessage } from "./message.ts";

const NOON = Date.parse("2027-01-01T12:00:00.000Z");
const factsOf = (some: Partial<WatchedFacts>): WatchedFacts => ({
  ...{ state: "open", total: 10, granted: 4, returned: 1, opensAt: null, closesAt: null },
  ...{ asOf: NOON, ...some },
});
const stateOf = (some: Partial<WatchedFacts>) => saleEvent(7, factsOf(some), 0).state;

describe("the state of a sale", () => {
  test("goes by its times, at the moment of the reading", () => {
    expect(stateOf({})).toBe("open");
    expect(stateOf({ opensAt: NOON + 1 })).toBe("upcoming");
    expect(stateOf({ opensAt: NOON })).toBe("open");
    expect(stateOf({ closesAt: NOON + 1 })).toBe("open");
    expect(stateOf({ closesAt: NOON })).toBe("ended");
  });

  test("is sold out when nothing is left, and open again when units come back", () => {
    expect(stateOf({ granted: 10, returned: 0 })).toBe("sold_out");
    expect(stateOf({ granted: 10, returned: 1 })).toBe("open");
    expect(stateOf({ granted: 10, returned: 0, closesAt: NOON })).toBe("ended");
  });

  test("is paused whatever else it is, as for grabs", () => {
    for (const more of [{ opensAt: NOON + 1 }, { closesAt: NOON }, { granted: 11 }])
      expect(stateOf({ state: "paused", ...more })).toBe("paused");
  });
});

test("an event has the whole state, an id that is its time, and ends with an empty line", () => {
  const event = saleEvent(7, factsOf({ closesAt: NOON + 1_000 }), 2.5);
  const text = new TextDecoder().decode(saleMessage(event));
  expect(text).toStartWith(`event: sale\nid: ${NOON}\ndata: {`);
  expect(text).toEndWith("}\n\n");
  expect(JSON.parse(text.split("data: ")[1] ?? "")).toEqual({
    ...{ saleId: 7, state: "open", total: 10, left: 7, granted: 4, returned: 1, rate: 2.5 },
    ...{ asOf: "2027-01-01T12:00:00.000Z", opensAt: null, closesAt: "2027-01-01T12:00:01.000Z" },
  });
});

test("two events are the same unless something but the time and the rate differs", () => {
  const one = saleEvent(7, factsOf({}), 0);
  expect(isSame(one, saleEvent(7, factsOf({ asOf: NOON + 5 }), 3))).toBe(true);
  const others: Partial<WatchedFacts>[] = [
    ...[{ total: 11 }, { granted: 5 }, { granted: 5, returned: 2 }, { state: "paused" }],
    ...[{ opensAt: NOON }, { closesAt: NOON + 9 }],
  ];
  for (const other of others) expect(isSame(one, saleEvent(7, factsOf(other), 0))).toBe(false);
});

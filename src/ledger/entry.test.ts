import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { compareIds, parseEntry, type RawEntry } from "./entry.ts";

const AT = 1_800_000_000_123;

/** A good entry of two grants as grab.lua writes it; `changes` replace fields, undefined removes one. */
function raw(changes: Record<string, string | undefined> = {}): RawEntry {
  const fields = {
    ...{ kind: "grant", sale: "35", epoch: "4", at: String(AT), first: "17" },
    ...{ users: "7,8:2:abc", granted: "18", returned: "1" },
    ...changes,
  };
  const list = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [name, value],
  );
  return ["5-0", list];
}

describe("an entry of grants", () => {
  test("lists its winners with consecutive numbers, slots and keys", () => {
    const common = { saleId: 35, epoch: 4, grantedAt: new Date(AT) };
    expect(parseEntry(raw())).toEqual({
      ...{ id: "5-0", kind: "grant", saleId: 35, first: 17, granted: 18, returned: 1 },
      grants: [
        { ...common, grantNo: 17, userId: 7, userSlot: 1, keyHash: null },
        { ...common, grantNo: 18, userId: 8, userSlot: 2, keyHash: "abc" },
      ],
      unreadable: [],
    });
  });

  test.each([
    ["empty", ""],
    ["no number", "x"],
    ["too large to be exact", "9007199254740993"],
    ["in a slot that is no number", "8:x"],
  ])("keeps its other winners when one is %s", (_, text) => {
    const parsed = parseEntry(raw({ users: `7,${text}` }));
    expect(parsed).toMatchObject({ kind: "grant", grants: [{ grantNo: 17, userId: 7 }] });
    const unreadable = parsed.kind === "grant" ? parsed.unreadable : [];
    expect(unreadable).toMatchObject([{ grantNo: 18, text }]);
    expect(unreadable[0]?.reason).toContain("is not a whole number");
  });

  test("may name fields that nobody knows yet", () => {
    expect(parseEntry(raw({ later: "x" })).kind).toBe("grant");
  });

  test("of an epoch's start carries no grants", () => {
    expect(parseEntry(["5-0", ["kind", "epoch", "epoch", "4", "at", "1"]])).toEqual({
      id: "5-0",
      kind: "marker",
    });
  });
});

describe("an entry that cannot be read", () => {
  test.each([
    ["has no kind", { kind: undefined }],
    ["has an unknown kind", { kind: "refund" }],
    ["has no sale", { sale: undefined }],
    ["has an empty sale", { sale: "" }],
    ["has a negative sale", { sale: "-1" }],
    ["has a fraction for a number", { first: "1.5" }],
    ["has an epoch that is no number", { epoch: "nan" }],
    ["has a time beyond all times", { at: "9000000000000000" }],
    ["has infinitely many granted", { granted: "inf" }],
    ["has no users", { users: undefined }],
    ["has numbers that do not end at granted", { granted: "19" }],
  ])("because it %s is broken, with the reason and all it held", (_, changes) => {
    const entry = raw(changes);
    const parsed = parseEntry(entry);
    expect(parsed).toMatchObject({ id: "5-0", kind: "broken", payload: JSON.stringify(entry[1]) });
    expect(parsed.kind === "broken" && parsed.reason).toBeTruthy();
  });

  test("is never a thrown error, whatever stands in it", () => {
    const odd = fc.oneof(
      fc.string(),
      fc.constantFrom("", "-1", "nan", "1e400", "7:1:2:3", ",", "0"),
    );
    const entries = fc.oneof(
      fc.array(odd),
      fc
        .dictionary(fc.constantFrom("sale", "epoch", "at", "first", "users", "granted"), odd)
        .map((changes) => raw(changes)[1]),
    );
    fc.assert(
      fc.property(entries, (list) => {
        const parsed = parseEntry(["1-1", list]);
        if (parsed.kind !== "grant") return true;
        return parsed.grants.every(
          (grant) =>
            Number.isSafeInteger(grant.userId) &&
            Number.isSafeInteger(grant.grantNo) &&
            !Number.isNaN(grant.grantedAt.getTime()),
        );
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("the order of stream ids", () => {
  test.each([
    ["1-0", "1-0", 0],
    ["1-0", "1-1", -1],
    ["9-9", "10-0", -1],
    ["0-0", "1-0", -1],
    ["1800000000000-10", "1800000000000-9", 1],
  ])("%s against %s", (a, b, sign) => {
    expect(Math.sign(compareIds(a, b))).toBe(sign);
    expect(Math.sign(compareIds(b, a))).toBe(-sign || 0);
  });
});

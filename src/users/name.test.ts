import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { foldName, isAcceptableName, nameKeyOf } from "./name.ts";

describe("two names are the same", () => {
  test("in any case, width, composition and compatibility form", () => {
    const same = [
      ["Alice", "aLICE"],
      ["ａｄｍｉｎ", "admin"],
      ["ℌans", "hans"],
      ["Jose\u0301", "JOSÉ"],
      ["straße", "STRASSE"],
      ["STRAẞE", "strasse"],
      ["ΟΔΟΣ", "οδοσ"],
      ["ﬁnn", "FINN"],
      ["a\uFE0Fb", "ab"],
    ] as const;
    for (const [one, other] of same) {
      expect(foldName(one)).toBe(foldName(other));
      expect(nameKeyOf(one)).toBe(nameKeyOf(other));
    }
  });

  test("however often they are folded", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (name) => {
        expect(foldName(foldName(name))).toBe(foldName(name));
      }),
    );
  });

  test("but not when they differ in a space or a letter", () => {
    expect(nameKeyOf("bob")).not.toBe(nameKeyOf("bob "));
    expect(nameKeyOf("bob")).not.toBe(nameKeyOf("bоb"));
  });
});

describe("a name is refused", () => {
  test("when it is empty or longer than 20 characters, counted as people count", () => {
    expect(isAcceptableName("")).toBe(false);
    expect(isAcceptableName("x".repeat(20))).toBe(true);
    expect(isAcceptableName("x".repeat(21))).toBe(false);
    expect(isAcceptableName("😀".repeat(20))).toBe(true);
    expect(isAcceptableName("😀".repeat(21))).toBe(false);
    expect(isAcceptableName("x".repeat(10_000))).toBe(false);
  });

  test("when part of it cannot be seen", () => {
    for (const hidden of ["\0", "\n", "\x7f", "\u200b", "\u202e", "\ufeff", "\u2066"]) {
      expect(isAcceptableName(`ad${hidden}min`)).toBe(false);
    }
    expect(isAcceptableName("\u3164")).toBe(false);
    for (const name of [" bob", "bob ", "\u00a0bob", " "])
      expect(isAcceptableName(name)).toBe(false);
  });

  test("when it is not text, or not a part of a path", () => {
    for (const name of ["\ud800", "a\udc00", ".", ".."]) expect(isAcceptableName(name)).toBe(false);
  });

  test("but not for its language or its punctuation", () => {
    for (const name of ["小明", "Zoë O’Neill", "a/b", "' OR 1=1 --", "{s1}:*", "-", "0"]) {
      expect(isAcceptableName(name)).toBe(true);
    }
  });
});

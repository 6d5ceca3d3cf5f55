import { describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { codeKeyOf, createCouponCodes, parseCode } from "./code.ts";

const OLD = "nWc4R0s1xq7dFj2mLk93vTz8yPbHgE5u";
const NEW = "b8Q2zKf7Yt0mXw5cVj3hRn9sLd6pGa1e";
const FORMAT = /^[0-9A-HJKMNP-TV-Z]{20}$/;

const codes = createCouponCodes([OLD]);
const key = codes.current;
const id = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });

describe("a code", () => {
  test("has 20 characters of Crockford's base32 and is the same each time", () => {
    fc.assert(
      fc.property(id, id, id, (sale, number, user) => {
        const code = codes.codeOf(key, sale, number, user);
        expect(code).toMatch(FORMAT);
        expect(createCouponCodes([OLD]).codeOf(key, sale, number, user)).toBe(code);
      }),
      { numRuns: 200 },
    );
  });

  test("is the id of its secret and the first 90 bits of the HMAC", () => {
    const digest = createHmac("sha256", OLD).update("coupon 35 17 9007199254740991").digest("hex");
    const bits = Array.from(digest.slice(0, 24))
      .map((digit) => Number.parseInt(digit, 16).toString(2).padStart(4, "0"))
      .join("")
      .slice(0, 90);
    const characters = bits.match(/.{5}/g)?.map((five) => Number.parseInt(five, 2)) ?? [];
    const body = characters.map((value) => "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[value]).join("");
    expect(codes.codeOf(key, 35, 17, Number.MAX_SAFE_INTEGER)).toBe(key + body);
  });

  test("is another for another user, number, sale or secret", () => {
    const other = createCouponCodes([NEW]);
    const all = [
      codes.codeOf(key, 1, 2, 3),
      codes.codeOf(key, 1, 2, 4),
      codes.codeOf(key, 1, 3, 3),
      codes.codeOf(key, 2, 2, 3),
      // The digits of the three run together are those of the first.
      codes.codeOf(key, 12, 3, 3),
      codes.codeOf(key, 1, 23, 3),
      other.codeOf(other.current, 1, 2, 3),
    ];
    expect(new Set(all.map((code) => code?.slice(2))).size).toBe(all.length);
  });
});

describe("secrets", () => {
  test("have an id of two characters, which does not depend on the others", () => {
    expect(codeKeyOf(OLD)).toMatch(/^[0-9A-HJKMNP-TV-Z]{2}$/);
    expect(codeKeyOf(OLD)).not.toBe(codeKeyOf(NEW));
    expect(createCouponCodes([NEW, OLD]).keyIds).toEqual([codeKeyOf(NEW), codeKeyOf(OLD)]);
  });

  test("can be replaced: sales of the old one keep their codes, new sales get the new one", () => {
    const both = createCouponCodes([NEW, OLD]);
    expect(both.current).toBe(codeKeyOf(NEW));
    expect(both.codeOf(key, 1, 2, 3)).toBe(codes.codeOf(key, 1, 2, 3));
    expect(both.codeOf(both.current, 1, 2, 3)).not.toBe(codes.codeOf(key, 1, 2, 3));
  });

  test("of a sale without an id are the oldest", () => {
    const both = createCouponCodes([NEW, OLD]);
    expect(both.codeOf("", 1, 2, 3)).toBe(codes.codeOf(key, 1, 2, 3));
  });

  test("that are not here make no code", () => {
    expect(codes.codeOf(codeKeyOf(NEW), 1, 2, 3)).toBeUndefined();
  });
});

describe("a code that somebody types", () => {
  const code = codes.codeOf(key, 1, 2, 3) ?? "";

  test("may have lower case, spaces and dashes", () => {
    expect(parseCode(code)).toBe(code);
    const typed = code.toLowerCase().replaceAll(/(.{4})/g, "$1-");
    expect(parseCode(` ${typed} `)).toBe(code);
    expect(parseCode(`${code.slice(0, 7)}  \t${code.slice(7)}`)).toBe(code);
  });

  test("may have O for 0, I and L for 1", () => {
    expect(parseCode("OoO0OOIiLl1L2222ZZzz")).toBe("0000001111112222ZZZZ");
  });

  test.each([
    ["nothing", ""],
    ["a character too few", code.slice(1)],
    ["a character too many", `${code}0`],
    ["a U, which is no character of it", `U${code.slice(1)}`],
    ["something else", `${code.slice(1)}ß`],
  ])("is none with %s", (_, text) => {
    expect(parseCode(text)).toBeUndefined();
  });
});

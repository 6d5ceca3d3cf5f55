import { expect, test } from "bun:test";
import { parseJson } from "./json.ts";

test("what is written as JSON usually is comes out as it is, prototypes as fields like any other", () => {
  for (const text of [
    '{"a":[1,-2,{"b":null}],"c":"1e3 and -0 in a text, 2.5 too","d":true}',
    '{"__proto__":{"a":1.5},"constructor":{"b":"\\ud83d\\ude00"}}',
    '"\\\\ud800 is six characters"',
    "9007199254740991",
    "0",
  ]) {
    const value = parseJson(text);
    expect(JSON.stringify(value)).toBe(JSON.stringify(JSON.parse(text.replace("1.5", "null"))));
  }
  expect("a" in {}).toBe(false);
});

test("a number that is not written as a whole one is none", () => {
  for (const text of [
    "1.0",
    "1e3",
    "1E0",
    "0e0",
    "-0",
    "-0.0",
    "1.5",
    "1.0000000000000001",
    "1e400",
  ])
    expect([text, parseJson(`{"a":[${text},1]}`)]).toEqual([text, { a: [Number.NaN, 1] }]);
});

test("half a character is refused, in a text as in a name, and half a text", () => {
  for (const text of ['"\\ud800"', '["x\\uDFFFy"]', '{"\\ud83d":1}', '"\\ude00\\ud83d"', "{", ""])
    expect(() => parseJson(text)).toThrow(SyntaxError);
});

import { expect, test } from "bun:test";
import fc from "fast-check";
import { decodePart, decodePayload } from "./payload.ts";

const base64 = (text: string) => Buffer.from(text).toString("base64url");

const text = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.constantFrom('"', "\\", "\\u0041", "\n", "żółw", "__proto__"),
);
const number = fc.oneof(fc.nat(), fc.double(), fc.constantFrom(-0, 1e15, 999_999_999_999_999, -1));
const value = fc.oneof(text, number, fc.jsonValue());
const optional = { requiredKeys: ["sub", "username", "kind", "use", "iss", "jti", "iat", "exp"] };
/** What a token of this service may say, with any value anywhere, in the order in which it is written. */
const payload = fc.record(
  {
    ...{ sub: text, username: text, kind: text, use: text, iss: text, jti: text, sid: text },
    ...{ iat: number, exp: number, since: number },
  },
  optional as { requiredKeys: "sub"[] },
);
const strange = fc.record({ sub: value, username: value, exp: value, other: value });

const agree = (json: string) => {
  const part = base64(json);
  expect(decodePayload(part)).toEqual(decodePart(part));
};

test("a payload is read as JSON.parse reads it, whatever its values are", () => {
  fc.assert(fc.property(payload, (said) => agree(JSON.stringify(said))));
  fc.assert(fc.property(strange, (said) => agree(JSON.stringify(said))));
});

test("what only looks like a payload is read as JSON.parse reads it", () => {
  const usual = `{"sub":"1","username":"a","kind":"b","use":"c","iss":"d","jti":"e","iat":1,"exp":2}`;
  expect(decodePayload(base64(usual))).toEqual(JSON.parse(usual));
  for (const character of [
    '"',
    "\\",
    ",",
    "}",
    "{",
    "0",
    "-",
    ".",
    " ",
    "\n",
    "\0",
    "\u001f",
    "é",
  ]) {
    for (let at = 0; at <= usual.length; at++) {
      agree(usual.slice(0, at) + character + usual.slice(at));
      agree(usual.slice(0, at) + character + usual.slice(at + 1));
    }
  }
});

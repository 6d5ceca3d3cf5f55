import { expect, spyOn, test } from "bun:test";
import fc from "fast-check";
import { decodePart, decodePayload } from "./payload.ts";
import { createTokens } from "./token.ts";

const base64 = (text: string) => Buffer.from(text).toString("base64url");

const text = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.constantFrom('"', "\\", "\\u0041", "\n", "żółw", "__proto__"),
);
const number = fc.oneof(fc.nat(), fc.double(), fc.constantFrom(-0, 1e15, 999_999_999_999_999, -1));
const value = fc.oneof(text, number, fc.jsonValue());
/** What a token of this service may say, with any value anywhere, in the order in which it is written. */
const payload = fc.record(
  {
    ...{ sub: text, username: text, kind: text, use: text, iss: text, jti: text, sid: text },
    ...{ iat: number, exp: number, since: number },
  },
  { requiredKeys: ["sub", "username", "kind", "use", "iss", "jti", "iat", "exp"] },
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

const SHORT = `{"sub":"1","username":"a","kind":"b","use":"c","iss":"d","jti":"e","iat":1,"exp":2}`;
const LONG = SHORT.replace(`,"iat"`, `,"sid":"f","iat"`).replace("}", `,"since":3}`);

test.each([SHORT, LONG])(
  "what only looks like a payload is read as JSON.parse reads it: %s",
  (usual) => {
    const characters = ['"', "\\", ",", "}", "{", "0", "-", ".", " ", "\n", "\0", "\u001f", "é"];
    for (const character of characters) {
      for (let at = 0; at <= usual.length; at++) {
        agree(usual.slice(0, at) + character + usual.slice(at));
        agree(usual.slice(0, at) + character + usual.slice(at + 1));
      }
    }
  },
);

test("what this service issues is read by the pattern", async () => {
  const tokens = createTokens(
    "0123456789abcdef0123456789abcdef",
    { now: () => 1_790_000_000_000 },
    () => false,
  );
  const user = { id: 7, username: "żółw", kind: "customer" } as const;
  const session = { id: "session-1", tokenId: "token-1", issuedAt: 1_790_000_000 };
  const issued = [
    await tokens.issue(user),
    await tokens.issue({ ...user, since: 1 }),
    await tokens.issueFor(user, session),
    await tokens.issueFor({ ...user, since: 1 }, session),
  ];
  const parsing = spyOn(JSON, "parse");
  try {
    for (const token of issued) expect(tokens.verify(token).ok).toBe(true);
    expect(parsing).not.toHaveBeenCalled();
  } finally {
    parsing.mockRestore();
  }
});

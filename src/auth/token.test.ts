import { describe, expect, test } from "bun:test";
import { sign } from "hono/jwt";
import { limits } from "../limits.ts";
import { createTokens } from "./token.ts";

const secret = "0123456789abcdef0123456789abcdef";
const NOW = 1_790_000_000;
const clock = { now: () => NOW * 1_000 };
const revoked = new Set<string>();
const tokens = createTokens(secret, clock, ({ tokenId }) => revoked.has(tokenId));

const payload = {
  sub: "42",
  username: "alice",
  kind: "customer",
  use: "access",
  iss: "doorbuster",
  jti: "token-1",
  iat: NOW,
  exp: NOW + 60,
};
type Json = Record<string, unknown>;

const base64 = (text: string) => Buffer.from(text).toString("base64url");

/** Signs any header and payload text, also what no library would sign. */
function forge(header: string, body: string, key = secret): string {
  const signed = `${base64(header)}.${base64(body)}`;
  return `${signed}.${new Bun.CryptoHasher("sha256", key).update(signed).digest("base64url")}`;
}

const HEADER = '{"alg":"HS256","typ":"JWT"}';
const mint = (change: Json = {}) => forge(HEADER, JSON.stringify({ ...payload, ...change }));
const reasonFor = (header: string | null) => {
  const check = tokens.verify(header);
  return check.ok ? "valid" : check.reason;
};

describe("a token is accepted", () => {
  test("when this service issued it, with the claims it was issued with", async () => {
    const token = await tokens.issue({ id: 7, username: "żółw", kind: "saler" });
    const check = tokens.verify(token);
    expect(check).toMatchObject({
      ok: true,
      claims: {
        userId: "7",
        username: "żółw",
        kind: "saler",
        expiresAt: NOW + limits.accessTokenSeconds,
        sessionId: undefined,
        since: 0,
      },
    });
  });

  test("of a session, for a quarter of an hour; the same arguments make the same token", async () => {
    const user = { id: 7, username: "żółw", kind: "admin", since: 1_790_000_000_123 } as const;
    const session = { id: "session-1", tokenId: "token-9", issuedAt: NOW - 5 };
    const token = await tokens.issueFor(user, session);
    expect(await tokens.issueFor(user, session)).toBe(token);
    expect(tokens.verify(token)).toEqual({
      ok: true,
      claims: {
        ...{ userId: "7", username: "żółw", kind: "admin", tokenId: "token-9" },
        ...{ expiresAt: NOW - 5 + 900, sessionId: "session-1", since: 1_790_000_000_123 },
      },
    });
  });

  test("raw and behind Bearer in any case", () => {
    const token = mint();
    for (const header of [token, `Bearer ${token}`, `bearer ${token}`, `BEARER  ${token}`]) {
      expect(reasonFor(header)).toBe("valid");
    }
  });

  test("when hono/jwt signed it in the public format", async () => {
    expect(reasonFor(await sign(payload, secret, "HS256"))).toBe("valid");
  });

  test("with another spelling of the same header", () => {
    const body = JSON.stringify(payload);
    expect(reasonFor(forge('{"typ":"JWT","alg":"HS256"}', body))).toBe("valid");
    expect(reasonFor(forge('{ "alg": "HS256" }', body))).toBe("valid");
  });

  test("when another host's clock is a little ahead", () => {
    expect(reasonFor(mint({ iat: NOW + 2 }))).toBe("valid");
    expect(reasonFor(mint({ iat: NOW + limits.clockSkewSeconds }))).toBe("valid");
  });

  test("whatever its kid says, because nobody reads it", () => {
    for (const kid of ["../../x", "' OR 1=1 --"]) {
      const header = JSON.stringify({ alg: "HS256", kid });
      expect(reasonFor(forge(header, JSON.stringify(payload)))).toBe("valid");
    }
  });
});

describe("a token is refused", () => {
  test("when there is none", () => {
    expect(reasonFor(null)).toBe("missing");
    expect(reasonFor("")).toBe("missing");
  });

  test("in another scheme, or when it has not the form of one", () => {
    const token = mint();
    const parts = token.split(".");
    for (const header of [
      `Basic ${token}`,
      `Bearer`,
      "Bearer ",
      "x",
      "a.b",
      "a.b.c",
      "..",
      `${parts[0]}..`,
      `${token}.x`,
      `${parts[0]}.${base64("[]")}.${parts[2]}`,
      `${parts[0]}.${base64("null")}.${parts[2]}`,
    ]) {
      expect([header, reasonFor(header)]).toEqual([header, "malformed"]);
    }
  });

  test("when its header names another algorithm, in every spelling of none", () => {
    const body = JSON.stringify(payload);
    for (const alg of ["none", "None", "nOnE", "NONE", "HS512", "RS256", "hs256", "", null, 1]) {
      expect(reasonFor(forge(JSON.stringify({ alg, typ: "JWT" }), body))).toBe("signature");
    }
    expect(reasonFor(forge('{"typ":"JWT"}', body))).toBe("signature");
    expect(reasonFor(`${base64('{"alg":"none"}')}.${base64(body)}.`)).toBe("signature");
  });

  test("when its header demands an extension", () => {
    const header = '{"alg":"HS256","crit":["b64"],"b64":false}';
    expect(reasonFor(forge(header, JSON.stringify(payload)))).toBe("signature");
  });

  test("when it was signed with another secret, or changed after signing", () => {
    const body = JSON.stringify(payload);
    for (const key of ["secret", "123456", `${secret}0`]) {
      expect(reasonFor(forge(HEADER, body, key))).toBe("signature");
    }
    const [header, , signature] = mint().split(".");
    const other = base64(JSON.stringify({ ...payload, sub: "43" }));
    expect(reasonFor(`${header}.${other}.${signature}`)).toBe("signature");
    expect(reasonFor(`${mint()}=`)).toBe("signature");
    expect(reasonFor(mint().slice(0, -1))).toBe("signature");
  });

  test("without an expiry that is a finite positive number", () => {
    expect(reasonFor(mint({ exp: undefined }))).toBe("claims");
    for (const exp of ["9999999999", null, -1, 0, true, [NOW + 60]]) {
      expect(reasonFor(mint({ exp }))).toBe("claims");
    }
    const text = JSON.stringify(payload);
    for (const exp of ["1e400", "-1e400"]) {
      const body = text.replace(String(NOW + 60), exp);
      expect(reasonFor(forge(HEADER, body))).toBe("claims");
    }
    expect(reasonFor(forge(HEADER, text.replace(String(NOW + 60), "NaN")))).toBe("malformed");
  });

  test("from the second it expires", () => {
    expect(reasonFor(mint({ exp: NOW + 1 }))).toBe("valid");
    expect(reasonFor(mint({ exp: NOW }))).toBe("expired");
    expect(reasonFor(mint({ exp: 1 }))).toBe("expired");
  });

  test("before its time", () => {
    expect(reasonFor(mint({ nbf: NOW + 1 }))).toBe("early");
    expect(reasonFor(mint({ nbf: NOW }))).toBe("valid");
    expect(reasonFor(mint({ nbf: "soon" }))).toBe("claims");
    expect(reasonFor(mint({ iat: NOW + limits.clockSkewSeconds + 1 }))).toBe("early");
  });

  test("from another issuer or for another use", () => {
    for (const change of [
      { iss: undefined },
      { iss: "other" },
      { iss: ["doorbuster"] },
      { use: undefined },
      { use: "refresh" },
    ]) {
      expect(reasonFor(mint(change))).toBe("claims");
    }
  });

  test("when its user, kind or id is not in the public format", () => {
    const changes: Json[] = [
      ...[undefined, 42, "", "0", "01", "-1", "1.5", "1e3", " 1", "1\n", "1".repeat(16), {}].map(
        (sub) => ({ sub }),
      ),
      ...[undefined, 1, null].map((username) => ({ username })),
      ...[undefined, "boss", "Customer", ""].map((kind) => ({ kind })),
      ...[undefined, "", 1, "x".repeat(limits.tokenIdCharsMax + 1)].map((jti) => ({ jti })),
      ...[1, null, {}, "x".repeat(limits.tokenIdCharsMax + 1)].map((sid) => ({ sid })),
      ...["1", null, {}].map((since) => ({ since })),
    ];
    for (const change of changes)
      expect([change, reasonFor(mint(change))]).toEqual([change, "claims"]);
  });

  test("when it is too long, before any work is done on it", () => {
    const long = mint({ extra: "x".repeat(limits.tokenBytesMax) });
    expect(reasonFor(long)).toBe("malformed");
    expect(reasonFor(`Bearer ${long}`)).toBe("malformed");
    const kid = "x".repeat(4_096);
    expect(reasonFor(forge(JSON.stringify({ alg: "HS256", kid }), JSON.stringify(payload)))).toBe(
      "malformed",
    );
  });

  test("when its claims come by way of a prototype", () => {
    const body = `{"__proto__":${JSON.stringify(payload)}}`;
    expect(reasonFor(forge(HEADER, body))).toBe("claims");
  });

  test("once it is revoked", () => {
    const token = mint({ jti: "gone" });
    expect(reasonFor(token)).toBe("valid");
    revoked.add("gone");
    expect(reasonFor(token)).toBe("revoked");
  });
});

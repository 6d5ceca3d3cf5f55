// Register, log in, log out and tokens of the classic API, over HTTP with real processes.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { limits } from "../src/limits.ts";
import { startApi, TEST_SECRET, type TestApi } from "./harness/api.ts";
import { call, freshName, logIn, newUser, tally } from "./harness/http.ts";
import { requestText, statusOf, talk } from "./harness/raw.ts";
import { startStores, stopEverything } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

let url: string;
let other: TestApi;

beforeAll(async () => {
  const { settings } = await startStores();
  const one = await startApi(settings);
  other = await startApi(settings);
  url = one.url;
});
afterAll(stopEverything);

const register = (body: object | string) => call(`POST ${url}/api/users`, { body });
const enter = (body: object | string) => call(`POST ${url}/api/auth`, { body });
const listOf = (username: string, token?: string, on = url) =>
  call(`GET ${on}/api/users/${username}/coupons`, { token });

describe("register", () => {
  test("makes a customer and both kinds of sellers", async () => {
    for (const kind of ["customer", "seller", "saler"]) {
      const answer = await register({ username: freshName("new"), password: "p", kind });
      expect([answer.status, answer.body]).toEqual([201, { errMsg: "" }]);
      expect(answer.headers.get("content-type")).toBe("application/json");
    }
  });

  test("takes keys in any case, unknown keys and any Content-Type", async () => {
    const username = freshName("Upper");
    const body = { Username: username, PASSWORD: "p", Kind: "seller", admin: true };
    const headers = { "Content-Type": "text/plain" };
    const answer = await call(`POST ${url}/api/users`, { body, headers });
    expect(answer.status).toBe(201);
    expect((await enter({ USERNAME: username, Password: "p" })).status).toBe(200);
  });

  test("says what is wrong, in the order of the originals", async () => {
    const refusals: [object | string, string][] = [
      ["{", "Only receive JSON format."],
      ["", "Only receive JSON format."],
      [{ username: 1, password: "p", kind: "customer" }, "Only receive JSON format."],
      [{}, "User name too short."],
      [{ username: "", password: "", kind: "" }, "User name too short."],
      [{ username: "somebody", password: "", kind: "" }, "Password too short."],
      [{ username: "somebody", password: "p" }, "Empty field of kind."],
      [{ username: "somebody", password: "p", kind: "boss" }, "Unexpected value of kind, boss"],
      [{ username: "somebody", password: "p", kind: "admin" }, "Unexpected value of kind, admin"],
      [
        { username: "a".repeat(21), password: "p", kind: "customer" },
        "Insert user failed. Maybe user name duplicates.",
      ],
    ];
    for (const [body, errMsg] of refusals) {
      const answer = await register(body);
      expect([body, answer.status, answer.body]).toEqual([body, 400, { errMsg }]);
    }
  });

  test("takes a name of 1 and of 20 characters, whatever their bytes", async () => {
    for (const username of ["ß", "抢".repeat(20), "😀".repeat(20)]) {
      const answer = await register({ username, password: "p", kind: "customer" });
      expect([username, answer.status]).toEqual([username, 201]);
    }
  });

  test("gives a name once, in any case and width, also when two ask at once", async () => {
    const body = { username: freshName("Only"), password: "p", kind: "customer" };
    const both = await Promise.all([register(body), register(body)]);
    expect(tally(both.map(({ status }) => `${status}`))).toEqual({ "201": 1, "400": 1 });
    const again = await register({ ...body, username: body.username.toUpperCase() });
    expect([again.status, again.body]).toEqual([
      400,
      { errMsg: "Insert user failed. Maybe user name duplicates." },
    ]);
  });
});

describe("log in", () => {
  test("answers the kind as registered, and a token that is good on every process", async () => {
    for (const kind of ["customer", "seller", "saler"] as const) {
      const { username, password } = await newUser(url, kind);
      const answer = await enter({ username, password });
      expect([answer.status, answer.body]).toEqual([200, { errMsg: "", kind }]);
      const token = answer.headers.get("authorization") ?? "";
      expect((await listOf(username, token, other.url)).status).toBe(204);
    }
  });

  test("sends the header in the spelling that the clients' regular expression wants", async () => {
    const { username, password } = await newUser(url, "customer");
    const body = JSON.stringify({ username, password });
    const headers = [`Content-Length: ${body.length}`];
    const wire = await talk(url, requestText("POST /api/auth", headers, body));
    expect(statusOf(wire)).toBe(200);
    const token = /Authorization: (.*\..*\..*)/.exec(wire)?.[1]?.trim();
    expect((await listOf(username, token)).status).toBe(204);
  });

  test("refuses a wrong password, an unknown name and what is no JSON", async () => {
    const { username, kind } = await newUser(url, "seller");
    const wrong = await enter({ username, password: "another" });
    expect([wrong.status, wrong.body]).toEqual([401, { errMsg: "Password mismatched.", kind }]);
    const unknown = await enter({ username: "nobody here", password: "p" });
    expect([unknown.status, unknown.body]).toEqual([
      401,
      { errMsg: "No such queryUser.", kind: "" },
    ]);
    for (const body of ["", "[]", "{", '"x"', { username: 1, password: "p" }]) {
      const answer = await enter(body);
      expect([body, answer.status, answer.body]).toEqual([
        body,
        400,
        { errMsg: "Parse JSON format fail.", kind: "" },
      ]);
    }
  });

  test("gives no token with a refusal", async () => {
    const { username } = await newUser(url, "customer");
    const answer = await enter({ username, password: "another" });
    expect(answer.headers.get("authorization")).toBeNull();
  });
});

test("a name can be tried only so often, whatever the process, and then not with the right password", async () => {
  const { username, password } = await newUser(url, "customer");
  const attempt = (on: string, guess: string) =>
    call(`POST ${on}/api/auth`, { body: { username, password: guess } });
  // One log-in was made by newUser; one more is the right one, to see that the count is what refuses.
  for (let at = 2; at < limits.loginsPerNamePerWindow; at += 1) {
    const { status } = await attempt(at % 2 === 0 ? url : other.url, "a guess");
    expect([at, status]).toEqual([at, 401]);
  }
  expect((await attempt(other.url, password)).status).toBe(200);
  for (const on of [url, other.url]) {
    const refused = await attempt(on, password);
    expect(refused.status).toBe(429);
    expect(refused.headers.get("authorization")).toBeNull();
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
  }
});

describe("log out", () => {
  test("answers the same with a token, without one and with rubbish", async () => {
    const { token } = await newUser(url, "customer");
    for (const one of [token, undefined, "rubbish", token]) {
      const answer = await call(`POST ${url}/api/auth/logout`, { token: one });
      expect([answer.status, answer.body]).toEqual([200, { errMsg: "log out." }]);
    }
  });

  test("ends this token on every process, and no other token of the user", async () => {
    const user = await newUser(url, "customer");
    const kept = await logIn(url, user);
    await call(`POST ${url}/api/auth/logout`, { token: user.token });
    expect((await listOf(user.username, user.token)).status).toBe(401);
    await until("the other process to know", async () => {
      return (await listOf(user.username, user.token, other.url)).status === 401;
    });
    expect((await listOf(user.username, kept)).status).toBe(204);
    expect((await listOf(user.username, kept, other.url)).status).toBe(204);
  });
});

/** A token with these claims, signed by hand as the README describes the format. */
function forge(claims: object, { secret = TEST_SECRET, header = {} } = {}): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part({ alg: "HS256", typ: "JWT", ...header })}.${part(claims)}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

describe("a token", () => {
  const now = Math.floor(Date.now() / 1_000);
  const good = {
    ...{ sub: "77", username: "forged", kind: "customer", use: "access", iss: "doorbuster" },
    ...{ jti: "token-77", iat: now, exp: now + 600 },
  };

  test("of anybody who has the secret is good, raw and with Bearer in any case", async () => {
    const token = forge(good);
    for (const sent of [token, `Bearer ${token}`, `bearer ${token}`]) {
      expect((await listOf("forged", sent)).status).toBe(204);
    }
  });

  test("is refused in the words of the originals", async () => {
    const refusals: [string | undefined, string][] = [
      [undefined, "Not Authorized."],
      ["x", "That's not even a token"],
      ["a.b", "That's not even a token"],
      [`Basic ${forge(good)}`, "That's not even a token"],
      [forge(good, { secret: "another secret of more than thirty-two bytes" }), "Couldn't handle"],
      [forge(good, { header: { alg: "none" } }), "Couldn't handle"],
      [forge(good, { header: { alg: "HS512" } }), "Couldn't handle"],
      [forge({ ...good, iss: "somebody" }), "Couldn't handle"],
      [forge({ ...good, use: "refresh" }), "Couldn't handle"],
      [forge({ ...good, exp: undefined }), "Couldn't handle"],
      [forge({ ...good, exp: "9999999999" }), "Couldn't handle"],
      [forge({ ...good, exp: now - 1 }), "Authorization has expired."],
      [forge({ ...good, nbf: now + 600 }), "Token not active yet"],
    ];
    for (const [token, text] of refusals) {
      const expected = text === "Couldn't handle" ? "Couldn't handle this token:" : text;
      const answers = await Promise.all([
        listOf("forged", token),
        call(`POST ${url}/api/users/forged/coupons`, { token, body: {} }),
        call(`PATCH ${url}/api/users/forged/coupons/x`, { token }),
      ]);
      for (const { status, body, headers } of answers) {
        expect([token, status, body]).toEqual([token, 401, { errMsg: expected }]);
        expect(headers.get("www-authenticate")).toBe("Bearer");
      }
    }
  });
});

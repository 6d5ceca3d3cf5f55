// Accounts of /v1 over HTTP, with two processes.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq, sql } from "drizzle-orm";
import { refreshTokens } from "../src/auth/table.ts";
import { limits } from "../src/limits.ts";
import { disableUser } from "../src/users/changes.ts";
import { users } from "../src/users/table.ts";
import { codeOf, logInV1, newAccount, refresh, signIn, statusOf } from "./harness/accounts.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import { call, freshName, logIn, tally } from "./harness/http.ts";
import { startStores, stopEverything } from "./harness/servers.ts";
import { type Behind, behind } from "./harness/service.ts";
import { until } from "./harness/until.ts";
import { v1 } from "./harness/v1.ts";

let api: TestApi;
let other: TestApi;
let past: Behind;

beforeAll(async () => {
  const { settings } = await startStores();
  [api, other] = await Promise.all([startApi(settings), startApi(settings)]);
  past = await behind(settings);
});
afterAll(stopEverything);

const register = (body: object | string) => v1(api.url, "POST /v1/auth/register", { body });
const good = () => ({ username: freshName("name"), password: "a pass word", role: "customer" });

describe("register", () => {
  test("makes a customer or a seller, who may log in on both APIs and on every process", async () => {
    for (const role of ["customer", "seller"]) {
      const account = { ...good(), role };
      const { status, body, headers } = await register(account);
      expect([status, body]).toEqual([
        201,
        { id: expect.any(Number), username: account.username, role },
      ]);
      expect(headers.get("cache-control")).toBe("no-store");
      expect((await logInV1(other.url, account)).body.user).toEqual(body);
      const classic = await call(`POST ${other.url}/api/auth`, {
        body: { username: account.username, password: account.password },
      });
      expect([classic.status, classic.body]).toEqual([200, { errMsg: "", kind: role }]);
    }
  });

  test("refuses a field too many, whatever it promises, and a role that is not for everybody", async () => {
    for (const extra of [{ id: 1 }, { is_admin: true }, { kind: "admin" }, { created_at: 1 }]) {
      const { status, body } = await register({ ...good(), ...extra });
      expect([status, body.code]).toEqual([422, "validation"]);
      expect(body.errors).toEqual([
        { pointer: `/${Object.keys(extra)[0]}`, detail: "There is no such field." },
      ]);
    }
    for (const role of ["admin", "service", "saler", "Customer", "", null, 1, undefined]) {
      expect([role, codeOf(await register({ ...good(), role }))]).toEqual([role, "422 validation"]);
    }
    const polluted = `{"username":"polluted","password":"a pass word","role":"customer","__proto__":{"a":1}}`;
    expect(codeOf(await register(polluted))).toBe("422 validation");
  });

  test("refuses what is no name, and one that is taken in any spelling", async () => {
    const names = [
      "",
      "x".repeat(21),
      "a\0b",
      " a",
      "a\u200bb",
      "..",
      "😀".repeat(21),
      0,
      null,
      {},
    ];
    for (const username of names) {
      const answer = await register({ ...good(), username });
      expect([username, codeOf(answer)]).toEqual([username, "422 validation"]);
      expect(answer.body.errors[0].pointer).toBe("/username");
    }
    const { username } = await newAccount(api.url);
    const again = await register({ ...good(), username: username.toUpperCase() });
    expect(codeOf(again)).toBe("409 username_taken");
  });

  test("refuses a weak password with a sentence that says what to do", async () => {
    const weak = ["7 bytes", "password123", "QWERTYUIOP", "x".repeat(1_025)];
    for (const password of weak) {
      const answer = await register({ ...good(), password });
      expect([password, codeOf(answer)]).toEqual([password, "422 weak_password"]);
      expect(answer.body.errors).toEqual([
        { pointer: "/password", detail: expect.stringMatching(/^(Use|This is) .*\.$/) },
      ]);
    }
    const username = freshName("my own name");
    expect(codeOf(await register({ ...good(), username, password: username }))).toBe(
      "422 weak_password",
    );
  });

  test("names a bad name and a weak password together", async () => {
    const answer = await register({ ...good(), username: "..", password: "short" });
    const pointers = answer.body.errors.map(({ pointer }: { pointer: string }) => pointer);
    expect([codeOf(answer), pointers]).toEqual(["422 validation", ["/username", "/password"]]);
  });

  test("refuses what is no JSON, is too large or of another type", async () => {
    for (const body of ["", "{", "null", "[]", '"x"', '{"username":"\\ud800"}']) {
      expect([400, 422]).toContain((await register(body)).status);
    }
    expect(codeOf(await register({ ...good(), password: "x".repeat(70_000) }))).toBe(
      "413 payload_too_large",
    );
    const typed = { body: good(), headers: { "Content-Type": "text/plain" } };
    const { status } = await v1(api.url, "POST /v1/auth/register", typed);
    expect(status).toBe(415);
  });
});

describe("log in", () => {
  test("gives a pair of tokens and says until when they are good", async () => {
    const session = await signIn(api.url);
    expect(session.user).toEqual({
      ...{ id: expect.any(Number), username: session.username, role: "customer" },
    });
    const secondsLeft = (time: string) => (Date.parse(time) - Date.now()) / 1_000;
    expect(secondsLeft(session.accessTokenExpiresAt)).toBeWithin(800, 901);
    expect(secondsLeft(session.refreshTokenExpiresAt)).toBeWithin(29.9 * 86_400, 30.1 * 86_400);
    const me = await v1(other.url, "GET /v1/me", { token: session.accessToken });
    expect([me.status, me.body]).toEqual([200, session.user]);
  });

  test("answers a wrong password, an unknown name and a disabled user alike", async () => {
    const account = await newAccount(api.url);
    const disabled = await signIn(api.url);
    await disableUser(past.db, disabled.user.id);
    const refusals = [
      { ...account, password: "another" },
      { ...account, username: "nobody at all" },
      { ...account, username: "x".repeat(10_000) },
      { username: disabled.username, password: disabled.password },
      { username: disabled.username, password: "another" },
    ];
    const bodies = new Set<string>();
    for (const one of refusals) {
      const { status, body } = await logInV1(api.url, one);
      expect([one, status]).toEqual([one, 401]);
      bodies.add(JSON.stringify({ ...body, instance: "" }));
    }
    expect(bodies.size).toBe(1);
  });

  test("takes no object for a text, and no field too many", async () => {
    for (const body of [
      { username: { a: 1 }, password: "x" },
      { username: "a" },
      {},
      { ...good() },
    ]) {
      const answer = await v1(api.url, "POST /v1/auth/login", { body });
      expect(codeOf(answer)).toBe("422 validation");
    }
  });

  test("is counted together with the log-ins of the classic API", async () => {
    const { username, password } = await newAccount(api.url);
    const guess = { username, password: "a guess" };
    for (let at = 0; at < limits.loginsPerNamePerWindow; at += 2) {
      expect((await logInV1(api.url, guess)).status).toBe(401);
      expect((await call(`POST ${other.url}/api/auth`, { body: guess })).status).toBe(401);
    }
    const refused = await logInV1(other.url, { username, password });
    expect(codeOf(refused)).toBe("429 rate_limited");
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
  });

  test("is refused when too many wait to be checked, and says when to try again", async () => {
    const names = Array.from({ length: 90 }, () => freshName("crowd"));
    const answers = await Promise.all(
      names.map((username) => logInV1(api.url, { username, password: "x" })),
    );
    const counts = tally(answers.map(({ status }) => String(status)));
    expect(Object.keys(counts).toSorted()).toEqual(["401", "503"]);
    const busy = answers.find(({ status }) => status === 503);
    expect(busy?.headers.get("retry-after")).toBe("1");
    expect(busy?.body.code).toBe("unavailable");
  });
});

describe("refresh", () => {
  test("gives the next pair; a lost answer is given again, on any process", async () => {
    const session = await signIn(api.url);
    const first = await refresh(api.url, session.refreshToken);
    const again = await refresh(other.url, session.refreshToken);
    expect([first.status, again.status]).toEqual([200, 200]);
    expect(again.body).toEqual(first.body);
    expect(first.body.refreshToken).not.toBe(session.refreshToken);
    expect(await statusOf(other.url, first.body.accessToken)).toBe(200);
    // Requests that are under way with the old access token are not cut off.
    expect(await statusOf(api.url, session.accessToken)).toBe(200);
  });

  test("with a token that was used long ago ends the session, with its access tokens, everywhere", async () => {
    const session = await signIn(api.url);
    const { body: next } = await refresh(api.url, session.refreshToken);
    await past.db
      .update(refreshTokens)
      .set({ issuedAt: sql`${refreshTokens.issuedAt} - INTERVAL 6 SECOND` })
      .where(eq(refreshTokens.userId, session.user.id));
    expect(codeOf(await refresh(other.url, session.refreshToken))).toBe("401 refresh_reused");
    expect(codeOf(await refresh(api.url, next.refreshToken))).toBe("401 token_revoked");
    for (const token of [session.accessToken, next.accessToken]) {
      expect(await statusOf(other.url, token)).toBe("401 token_revoked");
      await until("the other process to know", async () => {
        return (await statusOf(api.url, token)) === "401 token_revoked";
      });
    }
    // Another session of the same user goes on.
    expect(await statusOf(api.url, (await signIn(api.url, session)).accessToken)).toBe(200);
  });

  test("takes no access token, and a refresh token opens nothing", async () => {
    const session = await signIn(api.url);
    expect(codeOf(await refresh(api.url, session.accessToken))).toBe("401 invalid_token");
    expect(codeOf(await refresh(api.url, ""))).toBe("401 invalid_token");
    expect(await statusOf(api.url, session.refreshToken)).toBe("401 invalid_token");
    const classic = await call(`GET ${api.url}/api/users/x/coupons`, {
      token: session.refreshToken,
    });
    expect(classic.status).toBe(401);
  });
});

describe("log out", () => {
  test("ends the session and no other, everywhere", async () => {
    const session = await signIn(api.url);
    const kept = await signIn(api.url, session);
    const { body: next } = await refresh(api.url, session.refreshToken);
    const { status } = await v1(api.url, "POST /v1/auth/logout", { token: next.accessToken });
    expect(status).toBe(204);
    expect(codeOf(await refresh(other.url, next.refreshToken))).toBe("401 token_revoked");
    for (const token of [session.accessToken, next.accessToken]) {
      expect(await statusOf(api.url, token)).toBe("401 token_revoked");
      await until("the other process to know", async () => {
        return (await statusOf(other.url, token)) === "401 token_revoked";
      });
    }
    expect(await statusOf(other.url, kept.accessToken)).toBe(200);
    expect((await refresh(other.url, kept.refreshToken)).status).toBe(200);
  });

  test("takes a token of the classic API, and the classic log-out one of a session", async () => {
    const account = await newAccount(api.url);
    const classic = await logIn(api.url, account);
    expect((await v1(api.url, "POST /v1/auth/logout", { token: classic })).status).toBe(204);
    expect(await statusOf(api.url, classic)).toBe("401 token_revoked");
    const { accessToken } = await signIn(api.url, account);
    await call(`POST ${api.url}/api/auth/logout`, { token: accessToken });
    expect(await statusOf(api.url, accessToken)).toBe("401 token_revoked");
  });

  test("needs a token that is good", async () => {
    expect(codeOf(await v1(api.url, "POST /v1/auth/logout"))).toBe("401 unauthenticated");
    expect(codeOf(await v1(api.url, "POST /v1/auth/logout", { token: "x" }))).toBe(
      "401 invalid_token",
    );
  });
});

describe("roles", () => {
  test("a seller of the old spelling is a seller; an admin is an admin", async () => {
    const username = freshName("saler");
    const body = { username, password: "a pass word", kind: "saler" };
    expect((await call(`POST ${api.url}/api/users`, { body })).status).toBe(201);
    expect((await signIn(api.url, { username, password: "a pass word" })).user.role).toBe("seller");

    const account = await newAccount(api.url);
    await past.db.update(users).set({ kind: "admin" }).where(eq(users.username, account.username));
    const admin = await signIn(api.url, account);
    expect(admin.user.role).toBe("admin");
    const own = `${api.url}/api/users/${account.username}/coupons`;
    const { accessToken: token } = admin;
    expect((await call(`GET ${own}`, { token })).status).toBe(204);
    expect((await call(`POST ${own}`, { token, body: {} })).status).toBe(401);
    expect((await call(`PATCH ${own}/x`, { token })).status).toBe(401);
  });
});

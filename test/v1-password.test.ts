// A change of the password over HTTP, with two processes: what it ends, and what it begins.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { limits } from "../src/limits.ts";
import { disableUser, enableUser } from "../src/users/changes.ts";
import { type Account, codeOf, logInV1, refresh, signIn, statusOf } from "./harness/accounts.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import { call, logIn, tally } from "./harness/http.ts";
import { startStores, stopEverything } from "./harness/servers.ts";
import { type Behind, behind } from "./harness/service.ts";
import { until } from "./harness/until.ts";
import { v1 } from "./harness/v1.ts";

let api: TestApi;
let other: TestApi;
let past: Behind;
let settings: Parameters<typeof startApi>[0];

beforeAll(async () => {
  ({ settings } = await startStores());
  [api, other] = await Promise.all([startApi(settings), startApi(settings)]);
  past = await behind(settings);
});
afterAll(stopEverything);

const changePassword = (token: string, currentPassword: string, newPassword: string) =>
  v1(api.url, "POST /v1/auth/password", { token, body: { currentPassword, newPassword } });

/** Waits until no process takes this token, on either API. */
const untilRefused = (account: Account, token: string) =>
  until("the token to be refused everywhere", async () => {
    for (const { url } of [api, other]) {
      const where = `GET ${url}/api/users/${account.username}/coupons`;
      const { status } = await call(where, { token });
      if (status !== 401 || (await statusOf(url, token)) !== "401 token_revoked") return false;
    }
    return true;
  });

describe("a change of the password", () => {
  test("ends all that was issued before, on both APIs and every process, and begins a session", async () => {
    const session = await signIn(api.url);
    const second = await signIn(other.url, session);
    const classic = await logIn(other.url, session);
    const changed = await changePassword(session.accessToken, session.password, "a new pass word");
    expect(changed.status).toBe(200);
    for (const token of [session.accessToken, second.accessToken, classic]) {
      // At once on the process that changed it.
      expect(await statusOf(api.url, token)).toBe("401 token_revoked");
      await untilRefused(session, token);
    }
    for (const { refreshToken } of [session, second]) {
      expect(codeOf(await refresh(other.url, refreshToken))).toBe("401 token_revoked");
    }
    for (const { url } of [api, other]) {
      expect(await statusOf(url, changed.body.accessToken)).toBe(200);
      expect((await logInV1(url, session)).status).toBe(401);
      const again = await signIn(url, { ...session, password: "a new pass word" });
      expect(await statusOf(other.url, again.accessToken)).toBe(200);
    }
    expect((await refresh(other.url, changed.body.refreshToken)).status).toBe(200);
  });

  test("takes effect on a process that missed the message, and on one that starts later", async () => {
    const session = await signIn(api.url);
    const classic = await logIn(other.url, session);
    // As if the message were lost: only MySQL knows.
    await disableUser(past.db, session.user.id);
    await enableUser(past.db, session.user.id);
    for (const token of [session.accessToken, classic]) await untilRefused(session, token);
    const later = await startApi(settings);
    for (const token of [session.accessToken, classic]) {
      expect(await statusOf(later.url, token)).toBe("401 token_revoked");
    }
    expect(await statusOf(other.url, (await signIn(api.url, session)).accessToken)).toBe(200);
  });

  test("needs the current password and a good new one, and changes nothing otherwise", async () => {
    const session = await signIn(api.url);
    const { accessToken, password } = session;
    const cases: [current: string, next: string, code: string][] = [
      ["another", "a new pass word", "422 validation"],
      ["another", "short", "422 validation"],
      [password, "short", "422 weak_password"],
      [password, "password123", "422 weak_password"],
      [password, session.username, "422 weak_password"],
    ];
    for (const [current, next, code] of cases) {
      expect(codeOf(await changePassword(accessToken, current, next))).toBe(code);
    }
    const { body } = await changePassword(accessToken, "another", "short");
    const pointers = body.errors.map(({ pointer }: { pointer: string }) => pointer);
    expect(pointers).toEqual(["/currentPassword", "/newPassword"]);
    expect(await statusOf(api.url, accessToken)).toBe(200);
    expect((await logInV1(other.url, session)).status).toBe(200);
  });

  test("of two at once takes place once", async () => {
    const { accessToken, password } = await signIn(api.url);
    const both = await Promise.all(
      ["first new one", "second new one"].map((next) =>
        changePassword(accessToken, password, next),
      ),
    );
    expect(tally(both.map(({ status }) => String(status)))).toEqual({ "200": 1, "422": 1 });
  });

  test("counts wrong guesses with those of the log-in", async () => {
    const session = await signIn(api.url);
    for (let at = 1; at < limits.loginsPerNamePerWindow; at += 1) {
      const guess = await changePassword(session.accessToken, "a guess", "a new pass word");
      expect([guess.status, guess.headers.has("www-authenticate")]).toEqual([422, false]);
    }
    const refused = await changePassword(session.accessToken, session.password, "a new pass word");
    expect(codeOf(refused)).toBe("429 rate_limited");
  });
});

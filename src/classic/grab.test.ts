import { describe, expect, test } from "bun:test";
import { FAKE_SECRET, fakeApp } from "../../test/harness/classic-fakes.ts";
import { createTokens } from "../auth/token.ts";
import type { GrabOutcome } from "../grab/service.ts";

const path = `/api/users/shop/coupons/${encodeURIComponent("a/b c")}`;
const errMsg = (text: string): string => JSON.parse(text).errMsg;

describe("a grab", () => {
  test("that wins is 201, or 200 for the clients of the other original", async () => {
    for (const classicGrabStatus of [201, 200] as const) {
      const { send, tokenFor, asked } = fakeApp({ classicGrabStatus });
      const { status, text, headers } = await send("PATCH", path, { token: await tokenFor("bob") });
      expect([status, text]).toEqual([classicGrabStatus, '{"errMsg":""}']);
      expect(headers.get("Content-Type")).toBe("application/json");
      expect(asked.grabs).toEqual([[42, "7"]]);
    }
  });

  test("takes the token raw or behind Bearer, and asks nobody who the user is", async () => {
    const { send, tokenFor, asked } = fakeApp();
    const token = await tokenFor("never registered", "customer", 123_456);
    expect((await send("PATCH", path, { token })).status).toBe(201);
    expect((await send("PATCH", path, { token: `Bearer ${token}` })).status).toBe(201);
    expect([asked.finds, asked.lookUps]).toEqual([0, 0]);
    expect(asked.grabs).toEqual([
      [42, "123456"],
      [42, "123456"],
    ]);
  });

  test("that cannot win is 204 without a body, with the reason in Grab-Result", async () => {
    const { send, tokenFor, told } = fakeApp();
    const token = await tokenFor("bob");
    const outcomes: GrabOutcome[] = [
      { kind: "repeated", number: 3 },
      { kind: "sold_out" },
      { kind: "limit_reached" },
      { kind: "not_started", opensAt: 2, serverTime: 1 },
      { kind: "ended" },
      { kind: "paused" },
      { kind: "key_required" },
    ];
    for (const outcome of outcomes) {
      told.grab = outcome;
      const { status, text, headers } = await send("PATCH", path, { token });
      expect([status, text, headers.get("Grab-Result")]).toEqual([204, "", outcome.kind]);
    }
  });

  test("of a sale that is not in memory looks it up, and of none is 204 not_found", async () => {
    const { send, tokenFor, told, asked } = fakeApp();
    told.warm = false;
    const token = await tokenFor("bob");
    expect((await send("PATCH", path, { token })).status).toBe(201);
    for (const unknown of [
      "/api/users/shop/coupons/other",
      "/api/users/other/coupons/a%2Fb%20c",
      "/api/users/shop/coupons/a%252Fb%20c",
      "/api/users/shop/coupons/%zz",
      "/api/users/shop/coupons/%ff",
      "/api/users/shop/coupons/a%2Fb%20c%00",
    ]) {
      const { status, headers } = await send("PATCH", unknown, { token });
      expect([unknown, status, headers.get("Grab-Result")]).toEqual([unknown, 204, "not_found"]);
    }
    expect([asked.lookUps, asked.grabs.length]).toEqual([7, 1]);
  });

  test("of too many coupons that there are not is 429, before anything is looked up", async () => {
    const { send, tokenFor, told, asked } = fakeApp();
    Object.assign(told, { warm: false, waitForUnknown: 2 });
    const { status, headers } = await send("PATCH", path, { token: await tokenFor("bob") });
    expect([status, headers.get("Retry-After"), asked.lookUps]).toEqual([429, "2", 0]);
  });

  test("that comes too fast is 429, one that cannot be decided 503, each with Retry-After", async () => {
    const { send, tokenFor, told } = fakeApp();
    const token = await tokenFor("bob");
    told.grab = { kind: "too_fast", retryAfterSeconds: 1 };
    const tooFast = await send("PATCH", path, { token });
    expect([tooFast.status, tooFast.headers.get("Retry-After")]).toEqual([429, "1"]);
    for (const reason of ["recovering", "backlog", "overloaded", "unknown"] as const) {
      for (const retryAfterSeconds of [1, 5]) {
        told.grab = { kind: "unavailable", reason, retryAfterSeconds };
        const { status, headers, text } = await send("PATCH", path, { token });
        expect([status, headers.get("Retry-After")]).toEqual([503, String(retryAfterSeconds)]);
        expect(errMsg(text)).not.toBe("");
      }
    }
  });
});

describe("a grab is refused before anything is looked up", () => {
  const elsewhere = createTokens(
    "another secret of thirty-two bytes",
    { now: Date.now },
    () => false,
  );
  const past = createTokens(FAKE_SECRET, { now: () => 1_000 }, () => false);
  const future = createTokens(FAKE_SECRET, { now: () => Date.now() + 600_000 }, () => false);
  const bob = { id: 1, username: "bob", kind: "customer" } as const;

  test("without a valid token, in the words of the originals", async () => {
    const { send, asked, told } = fakeApp();
    told.warm = false;
    const expected: [string | undefined, string][] = [
      [undefined, "Not Authorized."],
      ["nonsense", "That's not even a token"],
      [`Basic ${await elsewhere.issue(bob)}`, "That's not even a token"],
      [await elsewhere.issue(bob), "Couldn't handle this token:"],
      [await past.issue(bob), "Authorization has expired."],
      [await future.issue(bob), "Token not active yet"],
    ];
    for (const [token, message] of expected) {
      const answer = await send("PATCH", path, token === undefined ? {} : { token });
      expect([answer.status, errMsg(answer.text)]).toEqual([401, message]);
      expect(answer.headers.get("WWW-Authenticate")).toBe("Bearer");
    }
    expect([asked.lookUps, asked.grabs.length]).toEqual([0, 0]);
  });

  test("for sellers of either spelling and for admins", async () => {
    const { send, tokenFor, asked, told } = fakeApp();
    told.warm = false;
    for (const kind of ["seller", "saler"] as const) {
      const { status, text } = await send("PATCH", path, { token: await tokenFor("shop", kind) });
      expect([status, errMsg(text)]).toEqual([401, "Sellers aren't allowed to get coupons."]);
    }
    const admin = await send("PATCH", path, { token: await tokenFor("boss", "admin") });
    expect([admin.status, errMsg(admin.text)]).toEqual([
      401,
      "Admins aren't allowed to get coupons.",
    ]);
    expect([asked.lookUps, asked.grabs.length]).toEqual([0, 0]);
  });
});

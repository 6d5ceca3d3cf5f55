import { describe, expect, test } from "bun:test";
import { fakeApp } from "../../test/harness/classic-fakes.ts";

const alice = { username: "alice", password: "pw", kind: "customer" };

describe("register", () => {
  test("answers 201 with an empty errMsg, for every kind of both originals", async () => {
    const { send, people } = fakeApp();
    for (const kind of ["customer", "seller", "saler"]) {
      const body = { username: `a ${kind}`, password: "p", kind };
      const { status, text } = await send("POST", "/api/users", { body });
      expect([status, text]).toEqual([201, '{"errMsg":""}']);
      expect(people.get(`a ${kind}`)?.kind as string).toBe(kind);
    }
  });

  test("takes keys in any case, ignores unknown ones and does not mind the content type", async () => {
    const { send, people } = fakeApp();
    const body = { Username: "alice", PASSWORD: "pw", Kind: "customer", id: 99, is_admin: true };
    const headers = { "Content-Type": "text/plain" };
    expect((await send("POST", "/api/users", { body, headers })).status).toBe(201);
    expect(people.get("alice")?.id).toBe(1);
  });

  test("refuses in the order JSON, name, password, kind missing, kind unknown, insert", async () => {
    const { send } = fakeApp();
    await send("POST", "/api/users", { body: alice });
    const expected: [unknown, string][] = [
      ["", "Only receive JSON format."],
      [{}, "User name too short."],
      [{ username: "" }, "User name too short."],
      [{ username: "x".repeat(21) }, "Password too short."],
      [{ username: "bob", password: "" }, "Password too short."],
      [{ username: "bob", password: "p" }, "Empty field of kind."],
      [{ ...alice, kind: "" }, "Empty field of kind."],
      [{ ...alice, kind: null }, "Empty field of kind."],
      [{ ...alice, kind: "admin" }, "Unexpected value of kind, admin"],
      [{ ...alice, kind: "Customer" }, "Unexpected value of kind, Customer"],
      [alice, "Insert user failed. Maybe user name duplicates."],
      [{ ...alice, username: "ＡＬＩＣＥ" }, "Insert user failed. Maybe user name duplicates."],
      [{ ...alice, username: "x".repeat(21) }, "Insert user failed. Maybe user name duplicates."],
    ];
    for (const [body, errMsg] of expected) {
      const { status, text } = await send("POST", "/api/users", { body });
      expect([status, JSON.parse(text)]).toEqual([400, { errMsg }]);
    }
  });

  test("refuses a name or a password that could not be used, and says what to do", async () => {
    const { send, people } = fakeApp();
    for (const change of [
      { username: "a\0b" },
      { username: " bob" },
      { username: "a\u202eb" },
      { username: "." },
      { password: "x".repeat(1_025) },
    ]) {
      const { status, text } = await send("POST", "/api/users", { body: { ...alice, ...change } });
      expect([status, text]).toEqual([400, expect.stringContaining("Insert user failed. Use a")]);
    }
    expect(people.size).toBe(0);
  });

  test("answers 429 and when to come back to whoever tries too often, 503 when busy", async () => {
    const { send, told } = fakeApp();
    told.waitSeconds = 30;
    const tooOften = await send("POST", "/api/users", { body: alice });
    expect([tooOften.status, tooOften.headers.get("Retry-After")]).toEqual([429, "30"]);
    told.waitSeconds = 0;
    told.passwordsBusy = true;
    const busy = await send("POST", "/api/users", { body: alice });
    expect([busy.status, busy.headers.get("Retry-After")]).toEqual([503, "1"]);
  });
});

describe("log in", () => {
  test("answers the kind, and the token in the Authorization header", async () => {
    const { send } = fakeApp();
    await send("POST", "/api/users", { body: { ...alice, kind: "saler" } });
    const body = { Username: "ALICE", Password: "pw" };
    const { status, text, headers } = await send("POST", "/api/auth", { body });
    expect([status, text]).toEqual([200, '{"errMsg":"","kind":"saler"}']);
    const token = headers.get("Authorization") ?? "";
    expect(`Authorization: ${token}`).toMatch(/Authorization: (.*\..*\..*)/);
    expect(headers.get("Cache-Control")).toBe("no-store");
    const coupon = { name: "n", amount: 1 };
    const added = await send("POST", "/api/users/alice/coupons", { body: coupon, token });
    expect(added.status).toBe(201);
  });

  test("answers 401 for a wrong password and for an unknown or empty name", async () => {
    const { send } = fakeApp();
    await send("POST", "/api/users", { body: alice });
    const expected: [unknown, object][] = [
      [
        { username: "alice", password: "no" },
        { errMsg: "Password mismatched.", kind: "customer" },
      ],
      [{ username: "alice" }, { errMsg: "Password mismatched.", kind: "customer" }],
      [
        { username: "bob", password: "pw" },
        { errMsg: "No such queryUser.", kind: "" },
      ],
      [
        { username: "", password: "pw" },
        { errMsg: "No such queryUser.", kind: "" },
      ],
      [{}, { errMsg: "No such queryUser.", kind: "" }],
    ];
    for (const [body, answer] of expected) {
      const { status, text, headers } = await send("POST", "/api/auth", { body });
      expect([status, JSON.parse(text)]).toEqual([401, answer]);
      expect(headers.get("WWW-Authenticate")).toBe("Bearer");
      expect(headers.get("Authorization")).toBeNull();
    }
  });

  test("answers 400 for what is not JSON", async () => {
    const { send } = fakeApp();
    for (const body of ["", "null", "[]", '"x"', '{"username"', { username: { password: 1 } }]) {
      const { status, text } = await send("POST", "/api/auth", { body });
      expect([status, text]).toEqual([400, '{"errMsg":"Parse JSON format fail.","kind":""}']);
    }
  });

  test("answers 429 and 503 with the fields of its other answers", async () => {
    const { send, told } = fakeApp();
    told.waitSeconds = 10;
    const tooOften = await send("POST", "/api/auth", { body: alice });
    expect([tooOften.status, tooOften.headers.get("Retry-After")]).toEqual([429, "10"]);
    expect(JSON.parse(tooOften.text)).toContainKeys(["errMsg", "kind"]);
    told.waitSeconds = 0;
    told.passwordsBusy = true;
    const busy = await send("POST", "/api/auth", { body: alice });
    expect([busy.status, busy.headers.get("Retry-After")]).toEqual([503, "1"]);
    expect(JSON.parse(busy.text)).toContainKeys(["errMsg", "kind"]);
  });
});

describe("log out", () => {
  test("answers 200 with a token, without one, and with a bad one", async () => {
    const { send, tokenFor } = fakeApp();
    for (const token of [undefined, "", "x.y.z", await tokenFor("alice")]) {
      const { status, text } = await send("POST", "/api/auth/logout", token ? { token } : {});
      expect([status, text]).toEqual([200, '{"errMsg":"log out."}']);
    }
  });

  test("makes exactly that token stop working", async () => {
    const { send, tokenFor } = fakeApp();
    const [gone, kept] = [await tokenFor("alice"), await tokenFor("alice")];
    await send("POST", "/api/auth/logout", { token: `Bearer ${gone}` });
    const list = (token: string) => send("GET", "/api/users/alice/coupons", { token });
    const refused = await list(gone);
    expect([refused.status, JSON.parse(refused.text).errMsg]).toEqual([
      401,
      "Authorization has been revoked.",
    ]);
    expect((await list(kept)).status).toBe(200);
  });

  test("is 503, not done, when it could not be recorded", async () => {
    const { send, tokenFor, told } = fakeApp();
    told.broken = new Error("Connection is closed.");
    const { status } = await send("POST", "/api/auth/logout", { token: await tokenFor("alice") });
    expect(status).toBe(503);
  });
});

import { describe, expect, test } from "bun:test";
import { fakeApp } from "../test/harness/classic-fakes.ts";
import { limits } from "./limits.ts";
import { Overloaded } from "./overloaded.ts";

const grabPath = "/api/users/shop/coupons/a%2Fb%20c";

describe("what no route takes", () => {
  test("is 404 in plain text for an unknown path", async () => {
    const { send } = fakeApp();
    for (const path of [
      "/",
      "/api",
      "/api/user",
      "//api/users",
      "/api//users",
      "/api/users/",
      "/api/users/x",
      "/api/users//coupons",
      "/api/users/x/coupons/y/z",
      "/API/users",
      "/test/flush",
      "/metrics",
      "/api/../admin",
      "/api/%2e%2e/admin",
      "/nothing/",
    ]) {
      const { status, text } = await send("GET", path);
      expect([path, status, text]).toEqual([path, 404, "404 page not found"]);
    }
  });

  test("is 405 with Allow for another method", async () => {
    const { send } = fakeApp();
    const expected: [string, string, string][] = [
      ["GET", "/api/users", "POST"],
      ["DELETE", "/api/auth", "POST"],
      ["GET", "/api/auth/logout", "POST"],
      ["PUT", "/api/users/x/coupons", "POST, GET"],
      ["POST", "/api/users/x/coupons/y", "PATCH"],
      ["PUT", "/api/users/x/coupons/y", "PATCH"],
      ["POST", "/livez", "GET"],
    ];
    for (const [method, path, allow] of expected) {
      const headers = { "X-HTTP-Method-Override": "PATCH" };
      const answer = await send(method, path, { headers });
      expect([path, answer.status, answer.headers.get("Allow")]).toEqual([path, 405, allow]);
    }
  });

  test("redirects from a trailing slash: 301 for GET, 307 for the rest, the query kept", async () => {
    const { send } = fakeApp();
    const expected: [string, string, number, string][] = [
      ["POST", "/api/users/", 307, "/api/users"],
      ["POST", "/api/auth/?a=/", 307, "/api/auth?a=/"],
      ["GET", "/api/users/x%20y/coupons/?page=2", 301, "/api/users/x%20y/coupons?page=2"],
      ["PATCH", `${grabPath}/`, 307, grabPath],
    ];
    for (const [method, path, status, location] of expected) {
      const answer = await send(method, path);
      expect([answer.status, answer.headers.get("Location")]).toEqual([status, location]);
    }
  });
});

describe("health", () => {
  test("is plain text: always ok for /livez, the state for /readyz", async () => {
    const { send, told } = fakeApp();
    const seen: [string, number, string][] = [];
    for (const state of ["ok", "degraded", "starting", "stopping"] as const) {
      told.ready = state;
      const { status, text } = await send("GET", "/readyz");
      seen.push([state, status, text]);
      expect(await send("GET", "/livez")).toMatchObject({ status: 200, text: "ok" });
    }
    expect(seen).toEqual([
      ["ok", 200, "ok"],
      ["degraded", 200, "degraded"],
      ["starting", 503, "starting"],
      ["stopping", 503, "stopping"],
    ]);
  });

  test("is answered while all else is turned away, and that ends when the load does", async () => {
    const { app, send, told, tokenFor } = fakeApp();
    const gate = Promise.withResolvers<{ kind: "sold_out" }>();
    told.grab = gate.promise;
    const token = await tokenFor("bob");
    const grab = () =>
      app.fetch(
        new Request(`http://x${grabPath}`, { method: "PATCH", headers: { Authorization: token } }),
      );
    const waiting = Array.from({ length: limits.httpInFlightRequestsMax }, grab);
    const refused = await send("PATCH", grabPath, { token });
    expect([refused.status, refused.headers.get("Retry-After")]).toEqual([503, "1"]);
    expect((await send("GET", "/livez")).status).toBe(200);
    expect((await send("GET", "/readyz")).status).toBe(200);
    gate.resolve({ kind: "sold_out" });
    await Promise.all(waiting);
    expect((await send("PATCH", grabPath, { token })).status).toBe(204);
  });
});

describe("/v1", () => {
  test("answers all that is under its paths, and a grab with more than a grab needs", async () => {
    const { send } = fakeApp();
    const headers = { "Content-Length": "2" };
    const asked: [string, string, object][] = [
      ["GET", "/v1", {}],
      ["GET", "/v1/sales?state=open", {}],
      ["DELETE", "/v1/nothing/", {}],
      ["GET", "/docs", {}],
      ["GET", "/openapi.json", {}],
      ["GET", "/problems/validation", {}],
      ["GET", "/v1/sales/42/grab", {}],
      ["POST", "/v1/sales/42/grab/", {}],
      ["POST", "/v1/sales/42/grab?x=1", {}],
      ["POST", "/v1/sales/42/grab", { headers, body: "{}" }],
    ];
    for (const [method, path, sending] of asked)
      expect([method, path, (await send(method, path, sending)).text]).toEqual([
        method,
        path,
        "v1",
      ]);
  });

  test("has a grab, and nothing that only looks like it", async () => {
    const { send } = fakeApp();
    for (const id of ["42", "%34%32", "a%2Fb"])
      expect((await send("POST", `/v1/sales/${id}/grab`)).text).toBe("granted");
    for (const path of [
      "/v1x",
      "//v1/sales",
      "/v1%2Fsales",
      "/V1/sales",
      "/docsx",
      "/openapi.json/",
    ])
      expect((await send("GET", path)).status).toBe(404);
  });
});

describe("what /v1 does not answer by itself", () => {
  const ask = async (app: ReturnType<typeof fakeApp>, method: string, path: string) => {
    const { status, headers, text } = await app.send(method, path);
    expect(headers.get("Content-Type")).toBe("application/problem+json");
    const { code, instance } = JSON.parse(text) as { code: string; instance: string };
    expect(instance).toStartWith("/requests/");
    return [status, code];
  };
  const BOTH = [
    ["POST", "/v1/sales/42/grab"],
    ["GET", "/v1/sales/42"],
  ] as const;

  test.each(BOTH)(
    "is told in a problem document when there is no room: %s %s",
    async (method, path) => {
      const fake = fakeApp();
      const gate = Promise.withResolvers<{ kind: "sold_out" }>();
      fake.told.grab = gate.promise;
      const waiting = Array.from({ length: limits.httpInFlightRequestsMax }, () =>
        fake.send("POST", "/v1/sales/42/grab"),
      );
      expect(await ask(fake, method, path)).toEqual([503, "unavailable"]);
      gate.resolve({ kind: "sold_out" });
      await Promise.all(waiting);
    },
  );

  test.each(BOTH)(
    "is told in a problem document when something fails: %s %s",
    async (method, path) => {
      const fake = fakeApp();
      fake.told.broken = new Error("Connection lost: the server closed the connection.");
      expect(await ask(fake, method, path)).toEqual([503, "unavailable"]);
      fake.told.broken = new Error("select `password_hash` from `users`");
      expect(await ask(fake, method, path)).toEqual([500, "internal"]);
      expect((await fake.send(method, path)).text).not.toContain("password_hash");
    },
  );
});

test("nobody gets in before it is known which tokens are revoked", async () => {
  const { send, told, tokenFor, asked } = fakeApp();
  told.revocationsLoaded = false;
  const token = await tokenFor("bob");
  const early = await send("PATCH", grabPath, { token });
  expect([early.status, early.headers.get("Retry-After"), asked.grabs]).toEqual([503, "1", []]);
  expect((await send("GET", "/livez")).status).toBe(200);
  told.revocationsLoaded = true;
  expect((await send("PATCH", grabPath, { token })).status).toBe(201);
});

describe("an error", () => {
  const secret = "select `password_hash` from `users`";

  test("of a server that is away is 503, of this program 500, and tells nothing but an id", async () => {
    const { send, told, tokenFor } = fakeApp();
    const expected: [Error, number][] = [
      [new Error("Connection is closed."), 503],
      [new Overloaded("too many loads"), 503],
      [new Error(secret, { cause: Object.assign(new Error("x"), { code: "ECONNREFUSED" }) }), 503],
      [new Error(secret), 500],
      [new TypeError(secret), 500],
    ];
    const token = await tokenFor("bob");
    for (const [broken, status] of expected) {
      told.broken = broken;
      const answer = await send("GET", "/api/users/eve/coupons", { token });
      expect(answer.status).toBe(status);
      expect(answer.headers.get("X-Request-Id")).toMatch(/^[\da-f-]{36}$/);
      expect(answer.headers.get("Retry-After")).toBe(status === 503 ? "1" : null);
      expect(JSON.parse(answer.text)).toEqual({ errMsg: expect.any(String) });
      expect(answer.text).not.toContain("password_hash");
    }
    const ids = new Set<string | null>();
    for (let time = 0; time < 3; time++) {
      ids.add((await send("GET", "/api/users/eve/coupons", { token })).headers.get("X-Request-Id"));
    }
    expect(ids.size).toBe(3);
  });

  test("leaves no request counted as in flight", async () => {
    const { send, told, tokenFor } = fakeApp();
    told.broken = new Error("Connection is closed.");
    const token = await tokenFor("bob");
    for (let time = 0; time <= limits.httpInFlightRequestsMax; time++) {
      await send("GET", "/api/users/eve/coupons", { token });
    }
    expect((await send("PATCH", grabPath, { token })).status).toBe(201);
  });
});

test("every answer forbids sniffing, names no version, and errors forbid caching", async () => {
  const { send, tokenFor, told } = fakeApp();
  const token = await tokenFor("bob");
  const answers = [
    await send("PATCH", grabPath, { token }),
    await send("GET", "/api/users/bob/coupons", { token }),
    await send("POST", "/api/auth/logout"),
    await send("POST", "/api/users", { body: "" }),
    await send("PATCH", grabPath),
    await send("GET", "/nothing"),
    await send("GET", "/api/users"),
    await send("POST", "/api/users/"),
    await send("GET", "/livez"),
  ];
  told.grab = { kind: "sold_out" };
  answers.push(await send("PATCH", grabPath, { token }));
  for (const { status, headers } of answers) {
    expect(headers.get("X-Content-Type-Options")).toBe("nosniff");
    expect(headers.get("Server") ?? headers.get("X-Powered-By")).toBeNull();
    expect(headers.get("Access-Control-Allow-Origin")).toBeNull();
    if (status >= 400) expect(headers.get("Cache-Control")).toBe("no-store");
  }
});

test("requests are counted by pattern and status, never by path", async () => {
  const { send, tokenFor, asked } = fakeApp();
  await send("PATCH", grabPath, { token: await tokenFor("bob") });
  await send("PATCH", "/api/users/a/coupons/b");
  await send("GET", "/somewhere");
  await send("PROPFIND", "/api/users");
  expect(asked.requests).toEqual([
    ["PATCH", "/api/users/:username/coupons/:name", 201],
    ["PATCH", "/api/users/:username/coupons/:name", 401],
    ["GET", "unmatched", 404],
    ["OTHER", "unmatched", 405],
  ]);
});

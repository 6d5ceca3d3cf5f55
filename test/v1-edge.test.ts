// What all of /v1 has in common: who may ask, what a body must be, how refusals look, and the pages about it.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startApi, type TestApi } from "./harness/api.ts";
import { freshName, mintCustomer, newUser } from "./harness/http.ts";
import { newSale } from "./harness/sales.ts";
import { startStores, stopEverything } from "./harness/servers.ts";
import { type Behind, behind } from "./harness/service.ts";
import { v1 } from "./harness/v1.ts";

let api: TestApi;
let past: Behind;

beforeAll(async () => {
  const { settings } = await startStores();
  [api, past] = await Promise.all([startApi(settings), behind(settings)]);
});
afterAll(stopEverything);

const ask = (what: string, sending = {}) => v1(api.url, what, sending);

describe("an answer", () => {
  const item = { goods: "1", category: "7", quantity: 1, unitPrice: 100 };
  const order = { items: [item], shippingFee: 0, currency: "CNY" };

  test("is taken for what it says it is, and kept nowhere if it is somebody's", async () => {
    const saleId = await newSale(past, 5);
    const { token } = await mintCustomer();
    const seller = (await newUser(api.url, "seller")).token;
    const account = { username: freshName("name"), password: "a pass word", role: "customer" };
    const asked: [what: string, isTheirs: boolean, sending?: object][] = [
      ["GET /v1/sales", false],
      [`GET /v1/sales/${saleId}`, false],
      ["GET /v1/me", true, { token }],
      ["GET /v1/coupons", true, { token }],
      // Nobody keeps the answer to a POST, and this one is given in too great a hurry to say so.
      [`POST /v1/sales/${saleId}/grab`, false, { token }],
      [`GET /v1/sales/${saleId}/grabs/me`, true, { token }],
      ["GET /v1/templates", true, { token: seller }],
      ["POST /v1/coupons/available", true, { token, body: order }],
      ["POST /v1/auth/register", true, { body: account }],
      ["POST /v1/auth/logout", true, { token }],
    ];
    for (const [what, isTheirs, sending] of asked) {
      const { status, headers } = await ask(what, sending);
      expect([what, status < 300]).toEqual([what, true]);
      expect([what, headers.get("x-content-type-options")]).toEqual([what, "nosniff"]);
      expect([what, headers.get("cache-control")]).toEqual([what, isTheirs ? "no-store" : null]);
    }
  });
});

describe("a refusal", () => {
  test("is a problem document whose type the service itself explains", async () => {
    const { status, headers, body } = await ask("GET /v1/nothing");
    expect(status).toBe(404);
    expect(headers.get("content-type")).toBe("application/problem+json");
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(body).toMatchObject({ type: "/problems/not-found", status: 404, code: "not_found" });
    const page = await fetch(api.url + body.type);
    expect(page.status).toBe(200);
    expect(await page.text()).toContain(body.title);
  });

  test("of a kind that does not exist has no page", async () => {
    expect((await ask("GET /problems/nothing")).status).toBe(404);
    expect((await ask("GET /problems/constructor")).status).toBe(404);
  });

  test("names the methods that a path has instead", async () => {
    const { status, headers } = await ask("PUT /openapi.json", { body: {} });
    expect([status, headers.get("allow")]).toEqual([405, "GET"]);
  });
});

describe("who asks", () => {
  const grabs = "GET /v1/sales/1/grabs/me";

  test("without a token, or with a token that is not behind Bearer, is nobody", async () => {
    const { token } = await mintCustomer();
    for (const headers of [{}, { Authorization: token }, { Authorization: `Basic ${token}` }]) {
      const answer = await ask(grabs, { headers });
      expect([answer.status, answer.body.code]).toEqual([401, "unauthenticated"]);
      expect(answer.headers.get("www-authenticate")).toBe("Bearer");
    }
  });

  test("with a token or a key that is not one is told so", async () => {
    for (const token of ["x", "a.b.c", "dbk_nothing"]) {
      const answer = await ask(grabs, { token });
      expect([answer.status, answer.body.code]).toEqual([401, "invalid_token"]);
    }
  });
});

describe("the document", () => {
  test("is OpenAPI 3.1 with every refusal as a problem", async () => {
    const { status, body } = await ask("GET /openapi.json");
    expect([status, body.openapi]).toEqual([200, "3.1.0"]);
    type Operation = { responses: Record<string, { content: object }> };
    const operations = Object.values<Record<string, Operation>>(body.paths).flatMap(Object.values);
    expect(operations.length).toBeGreaterThan(0);
    for (const { responses } of operations as Operation[]) {
      for (const [code, { content }] of Object.entries(responses)) {
        if (Number(code) < 400) continue;
        expect(Object.keys(content)).toEqual(["application/problem+json"]);
      }
    }
  });

  test("shows the Idempotency-Key on every POST that takes one, which are all but those of accounts", async () => {
    const { body } = await ask("GET /openapi.json");
    type Operation = { parameters?: { in: string; name: string; required: boolean }[] };
    const paths = Object.entries<Record<string, Operation>>(body.paths);
    const takes = ({ parameters = [] }: Operation) =>
      parameters.filter(({ in: where, name }) => where === "header" && name === "Idempotency-Key");
    const posts = paths.filter(([, { post }]) => post);
    expect(posts.length).toBeGreaterThan(10);
    for (const [path, { post = {} }] of posts)
      expect([path, takes(post).length]).toEqual([path, path.startsWith("/v1/auth/") ? 0 : 1]);
    for (const [path, { post: _, ...others }] of paths)
      expect([path, Object.values(others).flatMap(takes)]).toEqual([path, []]);
  });

  test("is shown by a page whose files all come from here", async () => {
    const page = await (await fetch(`${api.url}/docs`)).text();
    const files = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file = ""]) => file);
    const own = files.filter((file) => !file.startsWith("data:"));
    expect(own.length).toBeGreaterThan(2);
    for (const file of own) {
      expect(file.startsWith("/docs/")).toBe(true);
      const response = await fetch(api.url + file);
      expect([file, response.status]).toEqual([file, 200]);
    }
  });
});

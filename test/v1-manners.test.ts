// Bodies on /v1: what is read, and how everything else is refused.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { limits } from "../src/limits.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import { call, freshName, newUser } from "./harness/http.ts";
import { requestText, statusOf, talk } from "./harness/raw.ts";
import { startStores, stopEverything } from "./harness/servers.ts";
import { v1 } from "./harness/v1.ts";

let api: TestApi;
let token: string;

beforeAll(async () => {
  const { settings } = await startStores();
  api = await startApi(settings);
  ({ token } = await newUser(api.url, "seller"));
});
afterAll(stopEverything);

const TEMPLATES = "POST /v1/templates";
const template = (fields: object = {}) => ({
  ...{ name: freshName("template"), type: "amount_off", faceValue: 500, currency: "CNY" },
  ...fields,
});
const post = (body: object | string, headers: Record<string, string> = {}) =>
  v1(api.url, TEMPLATES, { token, body, headers });

/** As bytes, with nothing that a client adds by itself. */
const postBytes = (body: Uint8Array | string, headers: Record<string, string> = {}) =>
  call(`POST ${api.url}/v1/templates`, {
    body,
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json", ...headers },
  });

const codeOf = (text: string): string => (JSON.parse(text) as { code: string }).code;

describe("the type of a body", () => {
  test.each([
    "application/json",
    "application/json; charset=utf-8",
    'Application/JSON;charset="UTF-8"',
  ])("is JSON: %s", async (type) => {
    expect((await post(template(), { "Content-Type": type })).status).toBe(201);
  });

  test.each([
    ...["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json", "*/*"],
    ...["application/json; charset=utf-7", "application/json; charset=utf-16", "text/json"],
  ])("is not %s", async (type) => {
    const { status, body } = await post(template(), { "Content-Type": type });
    expect([status, body.code]).toEqual([415, "unsupported_media_type"]);
  });

  test("is said", async () => {
    const text = JSON.stringify(template());
    const lines = [`Authorization: Bearer ${token}`, `Content-Length: ${text.length}`];
    const answer = await talk(api.url, requestText("POST /v1/templates", lines, text));
    expect(statusOf(answer)).toBe(415);
  });

  test("is not encoded, not even as what it is not", async () => {
    const zipped = Bun.gzipSync(JSON.stringify(template()));
    const gzip = await postBytes(zipped, { "Content-Encoding": "gzip" });
    expect([gzip.status, codeOf(gzip.text)]).toEqual([415, "unsupported_media_type"]);
    const text = JSON.stringify(template());
    expect((await postBytes(text, { "Content-Encoding": "br" })).status).toBe(415);
    expect((await postBytes(text, { "Content-Encoding": "identity" })).status).toBe(201);
  });
});

describe("the size of a body", () => {
  const padded = (bytes: number) => JSON.stringify(template()).padEnd(bytes, " ");
  const chunked = (text: string) =>
    [
      requestText("POST /v1/templates", [
        `Authorization: Bearer ${token}`,
        "Content-Type: application/json",
        "Transfer-Encoding: chunked",
      ]),
      ...(text.match(/[\s\S]{1,10000}/g) ?? []).map(
        (part) => `${part.length.toString(16)}\r\n${part}\r\n`,
      ),
      "0\r\n\r\n",
    ].join("");

  test("is 64 KiB at most, with a length and in chunks", async () => {
    expect((await post(padded(limits.httpBodyBytesMax))).status).toBe(201);
    const whole = await talk(api.url, chunked(padded(limits.httpBodyBytesMax)));
    expect(statusOf(whole)).toBe(201);
  });

  test("is refused from one byte more, and so is what Bun itself does not read", async () => {
    for (const bytes of [limits.httpBodyBytesMax + 1, limits.httpBodyBytesAnsweredMax]) {
      const { status, body } = await post(padded(bytes));
      expect([bytes, status, body.code]).toEqual([bytes, 413, "payload_too_large"]);
    }
    expect(statusOf(await talk(api.url, chunked(padded(limits.httpBodyBytesMax + 1))))).toBe(413);
    expect((await post(template())).status).toBe(201);
  });
});

describe("a body that is no JSON", () => {
  test.each(["{", "", " ", "nul", '{"a":1,}', "{'a':1}", '{"a":"\u0001"}', "NaN", '\ufeff{"a":1}'])(
    "is refused: %j",
    async (text) => {
      const { status, body } = await post(text);
      expect([status, body.code]).toEqual([400, "malformed_json"]);
    },
  );

  test.each(['{"name":"half \\ud83d"}', '{"half \\udc00":1}'])(
    "because it has half a character is refused: %s",
    async (text) => {
      for (const path of ["/v1/templates", "/v1/sales/1/pause", "/v1/auth/login"]) {
        const { status, body } = await v1(api.url, `POST ${path}`, { token, body: text });
        expect([path, status, body.code]).toEqual([path, 400, "malformed_json"]);
      }
    },
  );

  test.each([[[0xff]], [[0xc0, 0x80]], [[0xed, 0xa0, 0x80]], [[0xe4, 0xbd]]])(
    "because it is no UTF-8 is refused: %p",
    async (bytes) => {
      const [head, tail] = ['{"name":"a', 'b"}'].map((text) => Buffer.from(text));
      const body = Buffer.concat([head ?? [], Buffer.from(bytes), tail ?? []] as Buffer[]);
      const answer = await postBytes(new Uint8Array(body));
      expect([answer.status, codeOf(answer.text)]).toEqual([400, "malformed_json"]);
    },
  );
});

describe("a body that is not what the route takes", () => {
  test.each(["null", "[]", '"text"', "1", "true"])("is no object: %s", async (text) => {
    expect((await post(text)).status).toBe(422);
  });

  test("has every wrong field named by a pointer", async () => {
    const { status, body } = await post({
      ...{ name: "", type: "gift", currency: "yuan", goods: ["ok", ""], "a/b~c": 1 },
      validity: { days: 0 },
    });
    expect([status, body.code]).toEqual([422, "validation"]);
    const pointers = body.errors.map(({ pointer }: { pointer: string }) => pointer).toSorted();
    expect(pointers).toEqual(
      ["/a~1b~0c", "/currency", "/goods/1", "/name", "/type", "/validity/days"].toSorted(),
    );
  });

  test("has fields that nobody knows, such as a prototype", async () => {
    for (const text of [
      '{"__proto__":{"admin":true}}',
      '{"constructor":{"prototype":{"admin":true}}}',
      '{"id":1}',
      '{"sellerId":1,"state":"published"}',
    ]) {
      const own = Object.keys(JSON.parse(text) as object);
      const body = `${JSON.stringify(template()).slice(0, -1)},${text.slice(1)}`;
      const answer = await post(body);
      expect(answer.status).toBe(422);
      const pointers = answer.body.errors.map(({ pointer }: { pointer: string }) => pointer);
      expect(pointers).toEqual(own.map((name) => `/${name}`));
    }
    const { status, body } = await post(template());
    expect([status, body.admin, body.state]).toEqual([201, undefined, "draft"]);
  });

  test.each([
    [{ days: 0 }, "/validity/days"],
    [{ days: 1.5 }, "/validity/days"],
    [{ days: 5, x: 1 }, "/validity/x"],
    [{ days: 5, until: null }, "/validity/days"],
    [{ from: "tomorrow" }, "/validity/from"],
    [{ from: "0001-01-01T00:00:00+01:00" }, "/validity/from"],
    [{ until: "9999-12-31T23:59:59-01:00" }, "/validity/until"],
    ["always", "/validity"],
  ])("has a validity of which the wrong field is named: %j", async (validity, pointer) => {
    const { status, body } = await post(template({ validity }));
    const pointers = body.errors.map((error: { pointer: string }) => error.pointer);
    expect([status, pointers]).toEqual([422, [pointer]]);
  });

  test.each(["1e3", "1.0", "1.0000000000000001", "-0", "1E2", "1e400"])(
    "has a number that is not written as a whole one: %s",
    async (number) => {
      const text = JSON.stringify(template()).replace('"faceValue":500', `"faceValue":${number}`);
      const { status, body } = await post(text);
      const detail = "Write a whole number, in digits only.";
      expect([status, body.errors]).toEqual([422, [{ pointer: "/faceValue", detail }]]);
    },
  );

  test.each([10_000, 30_000])("is %d levels deep, and nobody else waits for it", async (depth) => {
    const nested = `${"[".repeat(depth)}${"]".repeat(depth)}`;
    const startedAt = performance.now();
    const text = `${JSON.stringify(template()).slice(0, -1)},"goods":${nested}}`;
    const { status } = await post(text);
    expect([400, 422]).toContain(status);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect((await post(template())).status).toBe(201);
  });
});

describe("where a route takes no", () => {
  const fieldsOf = ({ body }: { body: { errors: Record<string, string>[] } }) =>
    body.errors.map(({ pointer, parameter }) => pointer ?? parameter);

  test("fields, none are taken", async () => {
    const { body: made } = await post(template());
    const paths = ["/v1/sales/1/pause", "/v1/sales/1/resume", "/v1/auth/logout"];
    for (const path of [
      ...paths,
      ...["publish", "disable"].map((verb) => `/v1/templates/${made.id}/${verb}`),
    ]) {
      const refused = await v1(api.url, `POST ${path}`, { token, body: { reason: "x", "a/b": 1 } });
      expect([path, refused.status, fieldsOf(refused)]).toEqual([path, 422, ["/reason", "/a~1b"]]);
      const statuses = await Promise.all(
        ["[]", "null", "{", "x=1"].map(async (body) => {
          const type = body === "x=1" ? "application/x-www-form-urlencoded" : "application/json";
          const headers = { "Content-Type": type };
          return (await v1(api.url, `POST ${path}`, { token, body, headers })).status;
        }),
      );
      expect([path, ...statuses]).toEqual([path, 422, 422, 400, 415]);
    }
    for (const body of ["{}", ""]) {
      const { status } = await v1(api.url, `POST /v1/templates/${made.id}/publish`, {
        token,
        body,
      });
      expect(status).toBe(200);
    }
  });

  test("parameters, none are taken", async () => {
    const { body: made } = await post(template());
    const one = `/v1/templates/${made.id}`;
    for (const what of [
      `GET ${one}`,
      "GET /v1/sales/1",
      "GET /v1/sales/1/events",
      `POST ${one}/publish`,
    ]) {
      const refused = await v1(api.url, `${what}?nonsense=1&more=2`, { token });
      expect([what, refused.status, fieldsOf(refused)]).toEqual([what, 422, ["nonsense", "more"]]);
    }
    const { body } = await v1(api.url, "GET /v1/sales?sellerId=x");
    const detail = "Use an id: a whole number from 1 on.";
    expect(body.errors).toEqual([{ parameter: "sellerId", detail }]);
    expect((await v1(api.url, `GET ${one}?nonsense=1`)).status).toBe(401);
    expect((await v1(api.url, `GET ${one}?`, { token })).status).toBe(200);
  });
});

test("a currency is one that ISO 4217 has", async () => {
  for (const currency of ["ABC", "cny", "ZZZ", "EURO"]) {
    const { status, body } = await post(template({ currency }));
    expect([currency, status, body.errors?.[0]?.pointer]).toEqual([currency, 422, "/currency"]);
  }
  for (const currency of ["EUR", "JPY", "KWD"])
    expect((await post(template({ currency }))).status).toBe(201);
});

test("of a field that is there twice the last one counts, in the answer as in the tables", async () => {
  const [first, last] = [freshName("first"), freshName("last")];
  const text = JSON.stringify(template({ name: first }));
  const made = await post(`${text.slice(0, -1)},"name":"${last}"}`);
  expect([made.status, made.body.name]).toEqual([201, last]);
  const read = await v1(api.url, `GET /v1/templates/${made.body.id}`, { token });
  expect(read.body.name).toBe(last);
});

test("a method that HTTP does not know is refused, and counted under no name of its own", async () => {
  const lines = [`Authorization: Bearer ${token}`];
  const answer = await talk(api.url, requestText("WHATEVER /v1/templates", lines));
  // Bun hangs up on it without a word.
  expect([undefined, 400, 405]).toContain(statusOf(answer));
  const metrics = await (await fetch(`${api.opsUrl}/metrics`)).text();
  expect(metrics).toContain("/v1/templates");
  expect(metrics).not.toContain("WHATEVER");
});

// What no well-behaved client sends: each is refused clearly and cheaply, and the service goes on as before.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { limits } from "../src/limits.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import {
  call,
  freshName,
  grab,
  inParallel,
  list,
  mintCustomer,
  newCoupon,
  newUser,
  type TestCoupon,
  type TestUser,
} from "./harness/http.ts";
import { residentBytes } from "./harness/memory.ts";
import { requestText, statusOf, talk } from "./harness/raw.ts";
import { startStores, stopEverything } from "./harness/servers.ts";

const AMOUNT = 1_000;
let api: TestApi;
let url: string;
let seller: TestUser;
let coupon: TestCoupon;
let sold = 0;

beforeAll(async () => {
  const { settings } = await startStores({ RATE_LIMITS: "off" });
  api = await startApi(settings);
  url = api.url;
  seller = await newUser(url, "seller");
  coupon = await newCoupon(url, seller, AMOUNT);
});
// Whatever was sent: the next request is answered as ever, and no unit has gone astray.
afterEach(async () => {
  const { username, token } = await mintCustomer();
  expect(await grab(url, coupon, token)).toBe("won");
  sold += 1;
  expect(await list(url, username, token)).toHaveLength(1);
  const lines = await list(url, seller.username, seller.token);
  expect(lines.find(({ name }) => name === coupon.name)?.left).toBe(AMOUNT - sold);
  expect(api.output()).not.toContain('"level":"error"');
});
afterAll(stopEverything);

/** The three routes that read a body, with a token where one is needed. */
const routes = (): { path: string; token?: string }[] => [
  { path: "/api/users" },
  { path: "/api/auth" },
  { path: `/api/users/${seller.username}/coupons`, token: seller.token },
];

/** Sends the same body to each route; the statuses, and the milliseconds of the slowest. */
async function toAll(body: string | Uint8Array, headers: Record<string, string> = {}) {
  const statuses: number[] = [];
  let slowestMs = 0;
  for (const { path, token } of routes()) {
    const since = performance.now();
    const answer = await call(`POST ${url}${path}`, { token, body, headers });
    slowestMs = Math.max(slowestMs, performance.now() - since);
    statuses.push(answer.status);
    // The API's own form, whatever is wrong.
    expect((answer.body as { errMsg: string }).errMsg).not.toBe("");
    expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
  }
  return { statuses: [...new Set(statuses)], slowestMs };
}

describe("a body", () => {
  test("that is not a JSON object is 400 on every route", async () => {
    const bodies = [
      "",
      " ",
      "{",
      '{"username":"a"',
      "null",
      "[]",
      '"x"',
      "1",
      "true",
      "nul",
      "{}{}",
    ];
    for (const body of [...bodies, "{'a':1}", '{"a":1,}', "\u0000", '{"a":"\n"}', "\ufeff{}"]) {
      const { statuses } = await toAll(body);
      expect([body, statuses]).toEqual([body, [400]]);
    }
  });

  test("with text that is no text is 400: half characters, bytes that are not UTF-8", async () => {
    const half =
      '{"username":"\\ud800","password":"p","kind":"seller","name":"\\ud800","amount":1}';
    expect((await toAll(half)).statuses).toEqual([400]);
    const bytes = Buffer.from('{"username":"a?b","password":"p","kind":"seller","name":"?"}');
    for (let at = bytes.indexOf(63); at >= 0; at = bytes.indexOf(63)) bytes[at] = 0xff;
    expect((await toAll(bytes)).statuses).toEqual([400]);
  });

  test("with anything but a text for a text is 400", async () => {
    for (const value of [{ password: 1 }, ["a"], 1, true]) {
      const body = { username: value, password: value, kind: "seller", name: value, amount: 1 };
      expect((await toAll(JSON.stringify(body))).statuses).toEqual([400]);
    }
  });

  test("gives nothing away through __proto__ and constructor", async () => {
    const wanted = '{"username":"proto","password":"p","kind":"seller","name":"n","amount":1}';
    for (const key of ["__proto__", "constructor", "prototype"]) {
      const { path } = routes()[0] ?? { path: "" };
      const answer = await call(`POST ${url}${path}`, { body: `{"${key}":${wanted}}` });
      expect([answer.status, answer.body]).toEqual([400, { errMsg: "User name too short." }]);
    }
    const body = `{"__proto__":{"kind":"seller"},"username":"${freshName("p")}","password":"p"}`;
    const answer = await call(`POST ${url}/api/users`, { body });
    expect([answer.status, answer.body]).toEqual([400, { errMsg: "Empty field of kind." }]);
  });

  test("that is deep, long or of many keys is refused within 50 ms", async () => {
    const deep = (open: string, close: string, times: number) =>
      `{"username":${open.repeat(times)}1${close.repeat(times)}}`;
    const bodies: [string, number][] = [
      [deep("[", "]", 10_000), 400],
      [deep('{"a":', "}", 10_000), 400],
      ["[".repeat(60_000), 400],
      [`{"username":[${"1,".repeat(30_000)}1]}`, 400],
      [`{${Array.from({ length: 6_000 }, (_, at) => `"k${at}":1`).join()},"username":1}`, 400],
      [`{"username":[${"1,".repeat(500_000)}1]}`, 413],
      [`{${Array.from({ length: 90_000 }, (_, at) => `"k${at}":1`).join()}}`, 413],
    ];
    for (const [body, status] of bodies) {
      // The first parse of a kind is slower than those that an attacker would live on.
      const tries = [await toAll(body), await toAll(body), await toAll(body)];
      expect([body.slice(0, 30), tries[0]?.statuses]).toEqual([body.slice(0, 30), [status]]);
      expect(Math.min(...tries.map(({ slowestMs }) => slowestMs))).toBeLessThan(50);
    }
  });

  test("in another encoding is 415, a bomb included", async () => {
    const bomb = Bun.gzipSync(Buffer.alloc(10_000_000));
    for (const encoding of ["gzip", "br", "deflate", "zstd", "GZIP", "gzip, gzip"]) {
      const { statuses } = await toAll(bomb, { "Content-Encoding": encoding });
      expect([encoding, statuses]).toEqual([encoding, [415]]);
    }
  });

  test("of 64 KiB is read, and one byte more is 413: with a length, in chunks, and far larger", async () => {
    const credentials = { username: freshName("large"), password: "p", kind: "customer" };
    const whole = (length: number) => {
      const empty = JSON.stringify({ ...credentials, more: "" }).length;
      return JSON.stringify({ ...credentials, more: "x".repeat(length - empty) });
    };
    const max = limits.httpBodyBytesMax;
    expect((await toAll(whole(max + 1))).statuses).toEqual([413]);
    expect((await call(`POST ${url}/api/users`, { body: whole(max) })).status).toBe(201);
    expect((await toAll("x".repeat(limits.httpBodyBytesAnsweredMax))).statuses).toEqual([413]);

    for (const { path, token } of routes()) {
      const headers = ["Transfer-Encoding: chunked"];
      if (token) headers.push(`Authorization: ${token}`);
      const chunk = `${(max + 1).toString(16)}\r\n${whole(max + 1)}\r\n0\r\n\r\n`;
      const answer = await talk(url, requestText(`POST ${path}`, headers, chunk));
      expect([path, statusOf(answer)]).toEqual([path, 413]);
    }
    // Beyond this it is not even read.
    const beyond = "x".repeat(limits.httpBodyBytesAnsweredMax + 1);
    expect((await call(`POST ${url}/api/auth`, { body: beyond })).status).toBe(413);
    const huge = ["Content-Length: 99999999999"];
    expect(statusOf(await talk(url, requestText("POST /api/users", huge, "x")))).toBe(413);
  });

  test("that goes on for ever is cut off, and memory stays where it was", async () => {
    const before = residentBytes(api.pid);
    const piece = "x".repeat(32_768);
    const chunk = `${piece.length.toString(16)}\r\n${piece}\r\n`;
    const endless = requestText("POST /api/auth", ["Transfer-Encoding: chunked"], chunk.repeat(64));
    const answers = await inParallel(Array.from({ length: 200 }), 50, () => talk(url, endless));
    for (const answer of answers) expect([undefined, 413]).toContain(statusOf(answer));
    const large = "x".repeat(1_000_000);
    await inParallel(Array.from({ length: 300 }), 50, () =>
      call(`POST ${url}/api/auth`, { body: large }),
    );
    expect(residentBytes(api.pid) - before).toBeLessThan(200_000_000);
  });
});

describe("a request", () => {
  test("with a header of 20 KB, with 201 headers or with a URL of 16 KB is refused or cut off", async () => {
    const { token } = await mintCustomer();
    const many = Array.from({ length: 201 }, (_, at) => `X-Header-${at}: 1`);
    const requests: [string, number[]][] = [
      [requestText(`PATCH ${coupon.path}`, [`X-Large: ${"x".repeat(20_000)}`]), [431]],
      [
        requestText(`PATCH ${coupon.path}`, [`Authorization: ${token}${"x".repeat(20_000)}`]),
        [431],
      ],
      [requestText(`PATCH ${coupon.path}`, many), [431]],
      [requestText(`PATCH ${coupon.path}${"x".repeat(16_384)}`, []), [414, 431]],
    ];
    for (const [text, statuses] of requests) {
      const answer = await talk(url, text);
      expect([undefined, ...statuses]).toContain(statusOf(answer));
    }
  });

  test("whose length cannot be told for certain is 400 and closed", async () => {
    for (const headers of [
      ["Content-Length: 2", "Transfer-Encoding: chunked"],
      ["Content-Length: 2", "Content-Length: 3"],
      ["Content-Length: +2"],
      ["Content-Length: 0x2"],
      ["Content-Length: -2"],
      ["Transfer-Encoding: chunked, identity"],
    ]) {
      const answer = await talk(url, requestText("POST /api/auth", headers, "{}"));
      expect([headers, statusOf(answer) ?? 400]).toEqual([headers, 400]);
    }
    expect(statusOf(await talk(url, "GET /livez HTTP/1.1\r\n\r\n")) ?? 400).toBe(400);
  });

  test("that is no HTTP is refused or cut off", async () => {
    for (const bytes of ["\r\n\r\n\r\n", "HELLO\r\n\r\n", "\u0016\u0003\u0001\u0000\r\n\r\n"]) {
      const answer = await talk(url, Buffer.from(bytes, "latin1"));
      expect([undefined, 400]).toContain(statusOf(answer));
    }
  });

  test("with a path that is odd is answered, and no token check is bypassed", async () => {
    const paths = ["%", "%zz", "%ff", "%00", "a%2fb", "%F0%9F", "'%20OR%201=1", "{}", "*"];
    for (const path of paths) {
      const name = `/api/users/${path}/coupons`;
      for (const line of [`GET ${name}`, `POST ${name}`, `PATCH ${name}/${path}`]) {
        const answer = await talk(url, requestText(line, ["Content-Length: 0"]));
        expect([line, statusOf(answer)]).toEqual([line, 401]);
      }
      const { token } = await mintCustomer();
      const headers = [`Authorization: ${token}`];
      const listed = await talk(url, requestText(`GET ${name}`, headers));
      expect([path, statusOf(listed)]).toEqual([path, 400]);
      const grabbed = await talk(url, requestText(`PATCH ${name}/${path}`, headers));
      expect([path, statusOf(grabbed)]).toEqual([path, 204]);
      expect(grabbed).toContain("Grab-Result: not_found\r\n");
    }
    for (const path of ["/api/users/../coupons", "/api/users/%2e%2e/coupons", "//api/users"]) {
      expect(statusOf(await talk(url, requestText(`GET ${path}`, [])))).toBe(404);
    }
  });
});

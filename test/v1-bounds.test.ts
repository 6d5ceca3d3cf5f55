// What a wrong request of /v1 can cost: little, whatever is in its 64 KiB.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { limits } from "../src/limits.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import { newUser } from "./harness/http.ts";
import { startStores, stopEverything } from "./harness/servers.ts";
import { v1 } from "./harness/v1.ts";

const WITHIN_MS = 50;
let api: TestApi;
let token: string;

beforeAll(async () => {
  const { settings } = await startStores({ RATE_LIMITS: "off" });
  api = await startApi(settings);
  ({ token } = await newUser(api.url, "customer"));
});
afterAll(stopEverything);

const times = (count: number, text: (at: number) => string): string =>
  Array.from({ length: count }, (_, at) => text(at)).join();

describe("a body that is wrong in many places", () => {
  const wrong: [what: string, body: string, status: number][] = [
    ["21,000 items", `{"items":[${times(21_000, () => "{}")}]}`, 422],
    ["30,000 codes", `{"codes":[${times(30_000, () => "1")}]}`, 422],
    ["6,000 fields", `{${times(6_000, (at) => `"k${at}":1`)}}`, 422],
    [
      "100 items of 60 fields",
      `{"items":[${times(100, () => `{${times(60, (at) => `"k${at}":1`)}}`)}]}`,
      422,
    ],
    ["deep lists", `{"items":${"[".repeat(30_000)}${"]".repeat(30_000)}}`, 422],
    ["deep objects", `{"items":${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}}`, 422],
    ["numbers that are none", `{"items":[${times(16_000, () => "1.0")}]}`, 422],
    ["a list that does not end", "[".repeat(60_000), 400],
    ["a million items", `{"items":[${times(500_000, () => "1")}]}`, 413],
  ];

  test.each(wrong)("is refused within 50 ms, in few words: %s", async (_, body, status) => {
    for (const path of ["/v1/discounts/calculate", "/v1/auth/register"]) {
      let fastestMs = Number.POSITIVE_INFINITY;
      // The first of a kind is slower than those that an attacker would live on.
      for (let round = 0; round < 3; round += 1) {
        const since = performance.now();
        const answer = await v1(api.url, `POST ${path}`, { token, body });
        fastestMs = Math.min(fastestMs, performance.now() - since);
        expect([path, answer.status]).toEqual([path, status]);
        expect(JSON.stringify(answer.body).length).toBeLessThan(limits.httpBodyBytesMax / 2);
        expect(answer.body.errors?.length ?? 0).toBeLessThanOrEqual(limits.wrongFieldsListedMax);
      }
      expect(fastestMs).toBeLessThan(WITHIN_MS);
    }
  });

  test("is told the first hundred, and that there are more", async () => {
    const ask = async (fields: number) => {
      const body = `{"username":"a","password":"a pass word","role":"seller",${times(fields, (at) => `"k${at}":1`)}}`;
      return (await v1(api.url, "POST /v1/auth/register", { body })).body;
    };
    const [all, more] = [await ask(100), await ask(101)];
    expect([all.errors.length, more.errors.length]).toEqual([100, 100]);
    expect(all.detail).not.toContain("100");
    expect(more.detail).toBe("The first 100 are listed.");
    const query = times(300, (at) => `k${at}=1`).replaceAll(",", "&");
    const { status, body } = await v1(api.url, `GET /v1/sales?${query}`);
    expect([status, body.errors.length, body.detail]).toEqual([422, 100, more.detail]);
  });
});

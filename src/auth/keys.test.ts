import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import type { Database } from "../db/client.ts";
import { limits } from "../limits.ts";
import { createServiceKeys } from "./keys.ts";

const KEY = `dbk_${"k".repeat(43)}`;
const keyHash = createHash("sha256").update(KEY).digest("hex");

/** A table of keys that counts who asks, and can be away. */
function fixture() {
  const table = { rows: [{ id: 7, keyHash }], reads: 0, away: false };
  const read = async () => {
    table.reads++;
    if (table.away) throw new Error("Connection lost");
    return table.rows;
  };
  const db = { select: () => ({ from: () => ({ where: () => ({ limit: read }) }) }) };
  const clock = { time: 0, now: () => clock.time };
  const keys = createServiceKeys({ db: db as unknown as Database, clock });
  return { table, clock, keys };
}

test("keys are read once for all who ask within the time that they are trusted", async () => {
  const { table, clock, keys } = fixture();
  const found = await Promise.all([keys.find(KEY), keys.find(KEY)]);
  expect(found).toEqual([7, 7]);
  clock.time += limits.serviceKeyTrustMs - 1;
  expect(await keys.find(`dbk_${"x".repeat(43)}`)).toBeUndefined();
  expect(table.reads).toBe(1);
});

test("a key that was revoked is refused, and a new one taken, when that time is over", async () => {
  const { table, clock, keys } = fixture();
  expect(await keys.find(KEY)).toBeDefined();
  table.rows = [];
  clock.time += limits.serviceKeyTrustMs;
  expect(await keys.find(KEY)).toBeUndefined();
  table.rows = [{ id: 8, keyHash }];
  clock.time += limits.serviceKeyTrustMs;
  expect(await keys.find(KEY)).toBe(8);
});

test("without MySQL no key is believed for longer than that time", async () => {
  const { table, clock, keys } = fixture();
  await keys.find(KEY);
  table.away = true;
  expect(await keys.find(KEY)).toBeDefined();
  clock.time += limits.serviceKeyTrustMs;
  await expect(keys.find(KEY)).rejects.toThrow("Connection lost");
  table.away = false;
  expect(await keys.find(KEY)).toBeDefined();
});

test("what has not the form of a key asks nobody", async () => {
  const { table, keys } = fixture();
  for (const text of ["", "dbk_", KEY.slice(1), `${KEY}k`, `${KEY}\n`, "dbr_x", "x".repeat(47)]) {
    expect(await keys.find(text)).toBeUndefined();
  }
  expect(table.reads).toBe(0);
});

test("revoking takes effect within the promised five seconds", () => {
  expect(limits.serviceKeyTrustMs).toBeLessThanOrEqual(5_000);
});

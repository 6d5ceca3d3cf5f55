// What a process has in memory before anybody has asked.

import { afterAll, expect, test } from "bun:test";
import { type Changes, EVERYTHING } from "../src/cache/changes.ts";
import { keepWarm, warmUp } from "../src/cache/warm.ts";
import { openPool } from "../src/db/client.ts";
import { limits } from "../src/limits.ts";
import { createLog } from "../src/log.ts";
import { cacheKeys, capturePositionKey } from "../src/redis/keys.ts";
import { sales } from "../src/sales/table.ts";
import { templates } from "../src/templates/table.ts";
import { startApi } from "./harness/api.ts";
import { freshDatabase, startStores, stopEverything, stopLater } from "./harness/servers.ts";
import { behind } from "./harness/service.ts";
import { until } from "./harness/until.ts";

afterAll(stopEverything);

test("sales that are open or open soon are warmed with their templates, and no others", async () => {
  const { url } = await freshDatabase();
  const { db, close } = openPool(url, 2);
  stopLater(close);
  const at = (seconds: number) => new Date(Date.now() + seconds * 1_000);
  const ahead = limits.cacheWarmAheadSeconds;
  const made = await db
    .insert(sales)
    .values(
      [
        { templateId: 10 },
        { templateId: 10, opensAt: at(-60), closesAt: at(600) },
        { templateId: 11, opensAt: at(ahead - 600) },
        { templateId: 12, opensAt: at(ahead + 600) },
        { templateId: 13, closesAt: at(-60) },
      ].map((times, place) => ({
        ...{ sellerId: 1, name: `n${place}`, nameKey: String(place), total: 1, ...times },
      })),
    )
    .$returningId();
  const asked = { sales: [] as number[], templates: [] as number[] };
  const get = (into: number[]) => async (id: number) => {
    into.push(id);
    return {};
  };
  await warmUp(
    { db, log: createLog("silent") },
    { sales: { get: get(asked.sales) }, templates: { get: get(asked.templates) } },
  );
  const ids = made.map(({ id }) => id);
  expect(asked.sales).toEqual([ids[2], ids[1], ids[0]].map(Number));
  expect(asked.templates.toSorted((a, b) => a - b)).toEqual([10, 11]);
});

test("what is dropped because everything may have changed is warmed again, once for all that happens meanwhile", async () => {
  const { url } = await freshDatabase();
  const { db, close } = openPool(url, 2);
  stopLater(close);
  await db
    .insert(sales)
    .values({ ...{ sellerId: 1, templateId: 10, total: 1 }, ...{ name: "n", nameKey: "n" } });
  let warmings = 0;
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let change = (_changes: Changes): void => undefined;
  const levels = {
    onChange(listener: typeof change) {
      change = listener;
    },
  };
  keepWarm(
    { db, log: createLog("silent"), levels },
    {
      sales: { get: async () => (await gates[warmings++]?.promise) ?? undefined },
      templates: { get: async () => undefined },
    },
  );
  await until("the first warming", () => warmings === 1);
  change([{ kind: "sale", key: 1 }]);
  for (let times = 0; times < 3; times += 1) change(EVERYTHING);
  gates[0]?.resolve();
  await until("the second warming", () => warmings === 2);
  change(EVERYTHING);
  expect(warmings).toBe(2);
  gates[1]?.resolve();
  await until("the third warming", () => warmings === 3);
});

test("an open sale is in memory after the start, also when the reading of the binlog has begun anew", async () => {
  const { settings } = await startStores();
  const past = await behind(settings);
  const [template] = await past.db
    .insert(templates)
    .values({ sellerId: 1, name: "t", description: "", faceValue: 5 })
    .$returningId();
  const templateId = template?.id ?? 0;
  const [sale] = await past.db
    .insert(sales)
    .values({ sellerId: 1, templateId, name: "n", nameKey: "n", total: 1 })
    .$returningId();
  const api = await startApi(settings);
  // It is kept behind everything that was told; from then on nothing empties memory.
  await until("a position", () => past.redis.get(capturePositionKey));
  for (const [kind, id] of [
    ["sale", sale?.id ?? 0],
    ["template", templateId],
  ] as const) {
    await until(`the ${kind} to be loaded since`, async () => {
      const generation = await past.redis.get(cacheKeys.generation(kind));
      const text = await past.redis.get(cacheKeys.entry(kind, id));
      return generation !== null && text?.startsWith(`${generation}=`);
    });
    const metrics = await (await fetch(`${api.opsUrl}/metrics`)).text();
    expect(metrics).toContain(`doorbuster_cache_entries{cache="${kind}"} 1`);
  }
});

// What a process has in memory before anybody has asked.

import { afterAll, expect, test } from "bun:test";
import { warmUp } from "../src/cache/warm.ts";
import { openPool } from "../src/db/client.ts";
import { limits } from "../src/limits.ts";
import { createLog } from "../src/log.ts";
import { sales } from "../src/sales/table.ts";
import { freshDatabase, stopEverything, stopLater } from "./harness/servers.ts";

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

// What leaves the stream: only what MySQL has. A bound on the stream's length would look the same on every quiet
// day, and lose grants on the first one on which MySQL is slower than the crowd.

import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { shardScripts } from "../src/grab/scripts.ts";
import type { LedgerContext } from "../src/ledger/context.ts";
import { limits } from "../src/limits.ts";
import { saleKeys, shardOf } from "../src/redis/keys.ts";
import { newSale, rowsOf } from "./harness/ledger.ts";
import { stopEverything } from "./harness/servers.ts";
import { until } from "./harness/until.ts";
import { type WritersRig, writersRig } from "./harness/writers.ts";

let rig: WritersRig;

beforeAll(async () => {
  rig = await writersRig();
});
beforeEach(() => rig.begin());
afterAll(stopEverything);

/** So many grabs that win, each with an entry of its own, on a sale of their own. */
async function sell({ redis }: LedgerContext, entries: number) {
  const saleId = await newSale(rig.db, { total: entries, warmedAt: new Date() });
  const { gate, sale, winners, ledger, unrecorded } = saleKeys(saleId);
  await redis.hset(sale, {
    ...{ state: "open", total: entries, granted: 0, returned: 0, recorded: 0, limit: 1 },
  });
  const { sha } = shardScripts("incarnation").grab;
  const grabs = redis.pipeline();
  for (let user = 1; user <= entries; user += 1) {
    const keys = [gate, sale, winners, ledger, unrecorded] as const;
    grabs.evalsha(sha, 5, ...keys, "1", entries, saleId, user, "");
  }
  await grabs.exec();
  return { saleId, shard: shardOf(saleId), ledger };
}

const untilEmpty = ({ redis }: LedgerContext, ledger: string) =>
  until("a stream with nothing but its end", async () => (await redis.xlen(ledger)) <= 1);

test("the stream keeps every entry that MySQL does not have, however many there are", async () => {
  const { context, writers, fences } = await rig.startProcess();
  // The writer reads twice before it trims; what follows is still unread then.
  const entries = 5 * limits.streamReadEntriesMax;
  const { saleId, shard, ledger } = await sell(context, entries);
  await writers[shard]?.claim();
  await until("every row", async () => (await rowsOf(rig.db, saleId)).length === entries);
  expect(fences).toEqual([]);
  await untilEmpty(context, ledger);
});

test("an entry stays in the stream until MySQL has committed it", async () => {
  const { context, writers } = await rig.startProcess();
  const { saleId, shard, ledger } = await sell(context, 3);
  await rig.db.transaction(async (tx) => {
    // The rows go in; then the writer waits here for the sale's counters.
    await tx.execute(sql`SELECT id FROM sales WHERE id = ${saleId} FOR UPDATE`);
    await writers[shard]?.claim();
    await until("a batch in hand", () => (writers[shard]?.lagMs ?? 0) > 0);
    await until("a wait for the counters", async () => {
      const [rows] = await tx.execute(
        sql`SELECT id FROM information_schema.processlist WHERE info LIKE ${"update `sales`%"}`,
      );
      return (rows as unknown as unknown[]).length > 0;
    });
    expect(await context.redis.xlen(ledger)).toBeGreaterThanOrEqual(3);
  });
  await untilEmpty(context, ledger);
});

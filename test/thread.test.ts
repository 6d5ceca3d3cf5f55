// The ledger's thread by itself, with the test as its main thread.

import { afterAll, test } from "bun:test";
import { eq, sql } from "drizzle-orm";
import { openPool } from "../src/db/client.ts";
import type { ToWorker } from "../src/ledger/protocol.ts";
import { processes } from "../src/ledger/table.ts";
import { TEST_CODE_SECRET } from "./harness/api.ts";
import { freshDatabase, startRedis, stopEverything, stopLater } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

afterAll(stopEverything);

test("a process whose main thread stands still does not count among the living, until it goes on", async () => {
  const [redis, database] = await Promise.all([startRedis(), freshDatabase()]);
  const { db, close } = openPool(database.url, 2);
  stopLater(close);
  const thread = new Worker(new URL("../src/ledger/thread.ts", import.meta.url));
  stopLater(() => Promise.resolve(thread.terminate()));
  const say = (message: ToWorker) => thread.postMessage(message);
  say({
    type: "start",
    settings: {
      ...{ redisUrl: redis.url, databaseUrl: database.url, durability: "durable" },
      ...{ ledgerKeepMs: 0, logLevel: "silent", processId: "half dead" },
      codeSecrets: [TEST_CODE_SECRET],
    },
  });
  const silence = async () => {
    const [row] = await db
      .select({ seconds: sql<number>`TIMESTAMPDIFF(MICROSECOND, heartbeat_at, NOW(3)) / 1000000` })
      .from(processes)
      .where(eq(processes.id, "half dead"));
    return row && Number(row.seconds);
  };
  await until("a heartbeat", async () => ((await silence()) ?? 9) < 0.9);
  await until("its heart to stop", async () => ((await silence()) ?? 0) > 3, { withinMs: 20_000 });
  say({ type: "alive" });
  await until("its heart to beat again", async () => ((await silence()) ?? 9) < 0.9);
});

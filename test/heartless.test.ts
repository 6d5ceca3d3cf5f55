// An outage of MySQL in which nobody's heart could beat, and a loss in Redis before anybody's beats again.

import { afterAll, expect, test } from "bun:test";
import { migrate } from "../src/db/migrate.ts";
import { limits } from "../src/limits.ts";
import { crowd, startEngine, untilRows } from "./harness/engine.ts";
import { startMysql, startRedis, stopEverything } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

afterAll(stopEverything);

test("what each process has confirmed while MySQL was away is known to the recovery after it", async () => {
  const [redis, mysql] = await Promise.all([startRedis(), startMysql()]);
  await migrate(mysql.url);
  const servers = { redisUrl: redis.url, databaseUrl: mysql.url };
  const [one, other] = [await startEngine(servers), await startEngine(servers)];
  const saleId = await one.sale(30);
  await until("both to be known", () => one.thread.status()?.livingProcesses === 2);
  await mysql.process.kill("SIGKILL");
  const since = performance.now();
  const confirmed = [
    ...(await crowd(one, saleId, [1, 5])),
    ...(await crowd(other, saleId, [6, 10])),
  ];
  await until(
    "everybody's heartbeat to be old",
    () => performance.now() - since > (limits.leaseSeconds + 1) * 1_000,
  );
  await one.redis.flushall();
  await mysql.process.start();
  const later = await crowd(one, saleId, [1, 12]);
  expect(later).toHaveLength(12);
  expect(later).toEqual(expect.arrayContaining(confirmed));
  await untilRows(one, saleId, later);
});

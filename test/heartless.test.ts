// An outage of MySQL in which nobody's heart could beat, and a loss in Redis before anybody's beats again.

import { afterAll, expect, test } from "bun:test";
import { migrate } from "../src/db/migrate.ts";
import { limits } from "../src/limits.ts";
import { shardOf } from "../src/redis/keys.ts";
import { crowd, startEngine, untilRows } from "./harness/engine.ts";
import { shardRow } from "./harness/ledger.ts";
import { startProxy } from "./harness/proxy.ts";
import { startMysql, startRedis, stopEverything, stopLater } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

/** Well within the time that a leader waits for those whose hearts could not beat. */
const HEAL_AFTER_MS = 2_000;

afterAll(stopEverything);

test("what each process has confirmed while MySQL was away is known to the recovery after it", async () => {
  const [redis, mysql] = await Promise.all([startRedis(), startMysql()]);
  await migrate(mysql.url);
  const link = await startProxy({ path: new URL(mysql.url).searchParams.get("socketPath") ?? "" });
  stopLater(() => link.close());
  const linked = `mysql://root@127.0.0.1:${link.port}/doorbuster`;
  const one = await startEngine({ redisUrl: redis.url, databaseUrl: mysql.url });
  const other = await startEngine({ redisUrl: redis.url, databaseUrl: linked });
  const saleId = await one.sale(30);
  const { epoch } = await shardRow(one.pool.db, shardOf(saleId));
  await until("both to be known", () => one.thread.status()?.livingProcesses === 2);
  link.cut();
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
  // Others come first: to those who have won already their own numbers would be given again.
  const others = crowd(one, saleId, [11, 30]);
  const recovery = () => shardRow(one.pool.db, shardOf(saleId));
  await until("a recovery", async () => (await recovery()).epoch > epoch);
  // The other one reaches MySQL later than the leader: when one that waits for nobody has had the time to end.
  const begunAt = performance.now();
  await until(
    "the leader to have waited or to be done",
    async () =>
      performance.now() - begunAt > HEAL_AFTER_MS || (await recovery()).incarnation !== "",
  );
  link.heal();
  const later = await others;
  expect(later).toHaveLength(20);
  expect(await crowd(one, saleId, [1, 10])).toEqual(confirmed);
  await untilRows(one, saleId, [...confirmed, ...later]);
});

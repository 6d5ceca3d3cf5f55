import { afterAll, expect, test } from "bun:test";
import { backlogsOf } from "../src/ledger/backlog.ts";
import { limits } from "../src/limits.ts";
import { createLog } from "../src/log.ts";
import { connectRedis } from "../src/redis/client.ts";
import { saleKeys, shardKeys } from "../src/redis/keys.ts";
import { startRedis, stopEverything, stopLater } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

afterAll(stopEverything);

test("the backlog counts every sale that waits, however many, in few round trips", async () => {
  const { url } = await startRedis();
  const redis = connectRedis(url, "worker", createLog("silent"));
  stopLater(() => Promise.resolve(redis.disconnect()));
  await until("Redis", () => redis.status === "ready");
  const pipeline = redis.pipeline();
  const sales = limits.counterSalesPerReadMax + 3;
  for (let sale = 1; sale <= sales; sale += 1) {
    const saleId = sale * limits.shards + (sale % 2);
    pipeline.hset(saleKeys(saleId).sale, { granted: 5, recorded: 3 });
    pipeline.sadd(shardKeys(sale % 2).unrecorded, saleId);
  }
  // One that is damaged costs the others nothing.
  pipeline.set(saleKeys(3).sale, "of another type");
  pipeline.sadd(shardKeys(0).unrecorded, 3);
  await pipeline.exec();

  let trips = 0;
  const counting = new Proxy(redis, {
    get(target, name) {
      trips += 1;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const backlogs = await backlogsOf(counting, [0, 1, 2]);
  const odd = Math.ceil(sales / 2);
  expect([...backlogs]).toEqual([
    [0, 2 * (sales - odd)],
    [1, 2 * odd],
    [2, 0],
  ]);
  expect(trips).toBe(3);
});

// A process that reaches MySQL and not Redis: it lives, and can record nothing.

import { afterAll, expect, test } from "bun:test";
import { limits } from "../src/limits.ts";
import { shardOf } from "../src/redis/keys.ts";
import { crowd, type Engine, startEngine, untilRows } from "./harness/engine.ts";
import { linkTo } from "./harness/links.ts";
import { freshDatabase, startRedis, stopEverything } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

afterAll(stopEverything);

const owned = ({ thread }: Engine): number[] =>
  (thread.status()?.shards ?? []).flatMap((one) => (one.owned ? [one.shard] : []));

const untilShared = (...engines: Engine[]) =>
  until("an even share", () =>
    engines.every((engine) => owned(engine).length === limits.shards / engines.length),
  );

test("the shards of a process that is cut off from Redis alone are recorded by the others until it is back", async () => {
  const [redis, database] = await Promise.all([startRedis(), freshDatabase()]);
  const link = await linkTo(redis.url);
  const databaseUrl = database.url;
  const one = await startEngine({ redisUrl: redis.url, databaseUrl });
  const cutOff = await startEngine({ redisUrl: link.url, databaseUrl });
  await untilShared(one, cutOff);
  let saleId = await one.sale(30);
  while (!owned(cutOff).includes(shardOf(saleId))) saleId = await one.sale(30);
  link.proxy.freeze();
  const confirmed = await crowd(one, saleId, [1, 30]);
  await until("all to be taken over", () => owned(one).length === limits.shards, {
    withinMs: 20_000,
  });
  await untilRows(one, saleId, confirmed);
  expect(one.thread.status()?.livingProcesses).toBe(2);
  link.proxy.heal();
  await untilShared(one, cutOff);
});

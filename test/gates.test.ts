import { afterAll, beforeAll, expect, test } from "bun:test";
import { createLog } from "../src/log.ts";
import { connectRedis, type Redis } from "../src/redis/client.ts";
import { startApi } from "./harness/api.ts";
import { freshDatabase, startRedis, stopEverything, stopLater } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

let api: Awaited<ReturnType<typeof startApi>>;
let server: Awaited<ReturnType<typeof startRedis>>;
let redis: Redis;

const shardsOf = async (): Promise<{ gate: string; epoch: number }[]> =>
  (
    (await (await fetch(`${api.opsUrl}/readyz`)).json()) as {
      shards: { gate: string; epoch: number }[];
    }
  ).shards;

const allOpenFrom = (epoch: number) => async () =>
  (await shardsOf()).every((shard) => shard.gate === "open" && shard.epoch >= epoch);

beforeAll(async () => {
  server = await startRedis();
  const { url } = await freshDatabase();
  api = await startApi({ REDIS_URL: server.url, DATABASE_URL: url });
  redis = connectRedis(server.url, "reads", createLog("silent"));
  stopLater(() => Promise.resolve(redis.disconnect()));
  await until("the connection", () => redis.status === "ready");
});
afterAll(stopEverything);

test("every shard is recovered after SCRIPT FLUSH though nobody grabs", async () => {
  const before = Math.max(...(await shardsOf()).map((shard) => shard.epoch));
  await redis.script("FLUSH");
  await until("all gates of a later epoch", allOpenFrom(before + 1));
});

test("every shard is recovered after a restart of Redis though nobody grabs", async () => {
  const before = Math.max(...(await shardsOf()).map((shard) => shard.epoch));
  await server.process.kill("SIGKILL");
  await server.process.start();
  await until("all gates of a later epoch", allOpenFrom(before + 1));
  expect(await (await fetch(`${api.url}/readyz`)).text()).toBe("ok");
});

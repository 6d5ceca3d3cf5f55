// A command that Redis has carried out, and whose answer never comes. Sending it again would be a second attempt
// that nobody asked for; whoever asked is told that the outcome is unknown.

import { afterAll, expect, test } from "bun:test";
import { createLog } from "../src/log.ts";
import { connectRedis } from "../src/redis/client.ts";
import { linkTo } from "./harness/links.ts";
import { startRedis, stopEverything, stopLater } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

afterAll(stopEverything);

test("a command whose answer was lost is reported, and not sent again", async () => {
  const { url } = await startRedis();
  const link = await linkTo(url);
  const [direct, grabs] = [url, link.url].map((at) => {
    const redis = connectRedis(at, "grabs", createLog("silent"));
    stopLater(() => Promise.resolve(redis.disconnect()));
    return redis;
  }) as [ReturnType<typeof connectRedis>, ReturnType<typeof connectRedis>];
  await until("both links", async () => (await direct.ping()) === (await grabs.ping()));
  link.proxy.limitAnswers(0);
  const outcome = grabs.incr("attempts").catch((error: Error) => error);
  await until("the attempt", async () => (await direct.get("attempts")) === "1");
  expect(await outcome).toBeInstanceOf(Error);
  link.proxy.heal();
  await until("the link", async () => (await grabs.ping()) === "PONG");
  expect(await direct.get("attempts")).toBe("1");
});

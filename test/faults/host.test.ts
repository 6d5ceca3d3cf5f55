// The whole host: everything on it is killed at once, and the disk that takes the log is full.

import { afterAll, expect, test } from "bun:test";
import type { Durability } from "../../src/config.ts";
import { startApi, TEST_SECRET, type TestApi, watch } from "../harness/api.ts";
import { call, mintCustomers, newCoupon, newUser, untilWell } from "../harness/http.ts";
import {
  freshDatabase,
  freshFolder,
  startMysql,
  startRedis,
  stopEverything,
} from "../harness/servers.ts";
import { behind } from "../harness/service.ts";
import { crowdAsks, untilBooksAgree } from "../harness/told.ts";
import { until } from "../harness/until.ts";

afterAll(stopEverything);

type Part = "redis" | "mysql" | "one" | "other";

const ORDERS: readonly (readonly [Durability, readonly Part[]])[] = [
  ["durable", ["redis", "mysql", "one", "other"]],
  ["durable", ["one", "mysql", "other", "redis"]],
  ["fast", ["other", "redis", "one", "mysql"]],
];

/** Kills a service of two processes and both servers in the middle of a sale, and starts them in this order. */
async function killAndStart(durability: Durability, order: readonly Part[]): Promise<void> {
  const [redis, mysql] = await Promise.all([startRedis({ durability }), startMysql()]);
  const settings = {
    ...{ REDIS_URL: redis.url, DATABASE_URL: mysql.url, RATE_LIMITS: "off" },
    DURABILITY: durability,
  };
  const apis: Record<"one" | "other", TestApi> = {
    one: await startApi(settings),
    other: await startApi(settings),
  };
  const past = await behind(settings);
  const seller = await newUser(apis.one.url, "seller");
  const coupon = await newCoupon(apis.one.url, seller, 1_200);
  const saleId = await past.saleIdOf(coupon.name);
  const storm = crowdAsks(() => [apis.one.url, apis.other.url], coupon, await mintCustomers(1_500));
  await until("a part to be sold", async () => (await past.grantedInRedis(saleId)) > 300);
  await Promise.all([
    ...[redis.process.kill("SIGKILL"), mysql.process.kill("SIGKILL")],
    ...[apis.one.end("SIGKILL"), apis.other.end("SIGKILL")],
  ]);
  for (const part of order) {
    if (part === "redis") await redis.process.start();
    else if (part === "mysql") await mysql.process.start();
    else apis[part] = await startApi(settings, { ready: false });
  }
  await untilBooksAgree(past, coupon, 1_200, await storm);
  for (const { url } of [apis.one, apis.other]) await untilWell(url);
  // The next order has the machine for itself.
  await Promise.all([apis.one.end("SIGKILL"), apis.other.end("SIGKILL")]);
  await Promise.all([redis.process.kill("SIGKILL"), mysql.process.kill("SIGKILL")]);
}

test.each(ORDERS)(
  "everything is killed at once, in %s mode, and started in the order %p: nothing confirmed is lost, and the rest is sold",
  killAndStart,
  90_000,
);

/** A port that nobody uses now. */
async function freePort(): Promise<string> {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
  const { port } = server;
  await server.stop(true);
  return String(port);
}

/** Shells that run what follows them with a log that takes nothing. */
const DEAF_LOGS = [
  ["is on a full disk", 'exec "$0" "$@" >/dev/full 2>&1'],
  [
    "goes to a reader that stands still",
    // Opened for both, so that it has a reader; who never reads, and the pipe is filled before.
    'cd "$LOGS" && mkfifo log && exec 3<>log && head -c 65536 /dev/zero >&3; cd - && exec "$0" "$@" >&3 2>&1',
  ],
] as const;

test.each(DEAF_LOGS)(
  "a log that %s: the service starts, sells, reports and stops all the same",
  async (_, shell) => {
    const [redis, database] = await Promise.all([startRedis(), freshDatabase()]);
    const [port, opsPort] = [await freePort(), await freePort()];
    const settings = { REDIS_URL: redis.url, DATABASE_URL: database.url, RATE_LIMITS: "off" };
    const api = watch(["sh", "-c", shell, process.execPath, "--no-env-file", "src/main.ts"], {
      ...{ ...settings, HOST: "127.0.0.1", PORT: port, OPS_PORT: opsPort },
      ...{ JWT_SECRET: TEST_SECRET, LOG_LEVEL: "trace", LOGS: freshFolder("log") },
    });
    const url = `http://127.0.0.1:${port}`;
    await untilWell(url);
    const past = await behind(settings);
    const seller = await newUser(url, "seller");
    const coupon = await newCoupon(url, seller, 200);
    const told = [await crowdAsks(() => [url], coupon, await mintCustomers(100))];
    // An outage is when most is logged.
    await redis.process.kill("SIGKILL");
    await until("the outage", async () => (await call(`GET ${url}/readyz`)).text === "degraded");
    await redis.process.start();
    told.push(await crowdAsks(() => [url], coupon, await mintCustomers(150)));
    await untilBooksAgree(past, coupon, 200, ...told);
    expect((await call(`GET http://127.0.0.1:${opsPort}/metrics`)).status).toBe(200);
    expect(await api.end("SIGTERM")).toBe(0);
  },
);

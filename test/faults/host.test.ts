// The whole host: everything on it is killed at once, and the disk that takes the log is full.

import { afterAll, expect, test } from "bun:test";
import type { Durability } from "../../src/config.ts";
import { startApi, TEST_CODE_SECRET, TEST_SECRET, type TestApi, watch } from "../harness/api.ts";
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

type Order = readonly Part[];

const ORDERS: readonly (readonly [Durability, readonly Order[]])[] = [
  [
    "durable",
    [
      ["redis", "mysql", "one", "other"],
      ["one", "mysql", "other", "redis"],
    ],
  ],
  ["fast", [["other", "redis", "one", "mysql"]]],
];

/** A service of two processes with servers of its own. */
async function startStack(durability: Durability) {
  const [redis, mysql] = await Promise.all([startRedis({ durability }), startMysql()]);
  const settings = {
    ...{ REDIS_URL: redis.url, DATABASE_URL: mysql.url, RATE_LIMITS: "off" },
    DURABILITY: durability,
  };
  const [one, other] = await Promise.all([startApi(settings), startApi(settings)]);
  const apis: Record<"one" | "other", TestApi> = { one, other };
  const past = await behind(settings);
  const seller = await newUser(apis.one.url, "seller");
  return {
    ...{ apis, past, seller },
    killAll: () =>
      Promise.all([
        ...[redis.process.kill("SIGKILL"), mysql.process.kill("SIGKILL")],
        ...[apis.one.end("SIGKILL"), apis.other.end("SIGKILL")],
      ]),
    async start(part: Part) {
      if (part === "redis") await redis.process.start();
      else if (part === "mysql") await mysql.process.start();
      else apis[part] = await startApi(settings, { ready: false });
    },
  };
}

test.each(ORDERS)(
  "everything is killed at once, in %s mode, and started in the orders %p: nothing confirmed is lost, and the rest is sold",
  async (durability, orders) => {
    const { apis, past, seller, killAll, start } = await startStack(durability);
    const urls = () => [apis.one.url, apis.other.url];
    for (const order of orders) {
      const coupon = await newCoupon(apis.one.url, seller, 1_200);
      const saleId = await past.saleIdOf(coupon.name);
      const storm = crowdAsks(urls, coupon, await mintCustomers(1_500));
      await until("a part to be sold", async () => (await past.grantedInRedis(saleId)) > 300);
      await killAll();
      for (const part of order) await start(part);
      await untilBooksAgree(past, coupon, 1_200, await storm);
      for (const url of urls()) await untilWell(url);
    }
    // The next test has the machine for itself.
    await killAll();
  },
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
      ...{ JWT_SECRET: TEST_SECRET, CODE_SECRET: TEST_CODE_SECRET },
      ...{ LOG_LEVEL: "trace", LOGS: freshFolder("log") },
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

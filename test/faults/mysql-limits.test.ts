// MySQL is there and does not do what it should: it is slow, read-only, out of disk or out of connections.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { type Connection, createConnection } from "mysql2";
import { openConnection } from "../../src/db/client.ts";
import type { RedisServer } from "../../src/embedded/redis.ts";
import { deadLetters } from "../../src/ledger/table.ts";
import { startApi, type TestApi } from "../harness/api.ts";
import { mayMountDisks, mountSmallDisk } from "../harness/disk.ts";
import {
  call,
  freshName,
  mintCustomers,
  newCoupon,
  newUser,
  type TestCoupon,
  type TestUser,
} from "../harness/http.ts";
import { type Link, linkTo } from "../harness/links.ts";
import {
  freshFolder,
  startMysql,
  startRedis,
  stopEverything,
  stopLater,
} from "../harness/servers.ts";
import { type Behind, behind } from "../harness/service.ts";
import { crowdAsks, type Told, untilBooksAgree } from "../harness/told.ts";
import { until } from "../harness/until.ts";
import { v1 } from "../harness/v1.ts";

afterAll(stopEverything);

const ask = async (apis: readonly TestApi[], coupon: TestCoupon, count: number): Promise<Told> =>
  crowdAsks(() => apis.map(({ url }) => url), coupon, await mintCustomers(count));

const metric = async (api: TestApi, name: string): Promise<number> => {
  const { text } = await call(`GET ${api.opsUrl}/metrics`);
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
};

const register = async (api: TestApi): Promise<[status: number, retryAfter: string | null]> => {
  const body = { username: freshName("somebody"), password: "a pass word", kind: "customer" };
  const { status, headers } = await call(`POST ${api.url}/api/users`, { body });
  return [status, headers.get("retry-after")];
};

describe("a MySQL that the service may use, and not administer", () => {
  let mysql: Awaited<ReturnType<typeof startMysql>>;
  let link: Link;
  let settings: { REDIS_URL: string; DATABASE_URL: string; RATE_LIMITS: string };
  let apis: TestApi[];
  let past: Behind;
  let seller: TestUser;

  const api = (): TestApi => apis[0] as TestApi;

  beforeAll(async () => {
    const [redis, server] = await Promise.all([startRedis(), startMysql()]);
    mysql = server;
    // Root may write on a read-only server and gets a connection when there is none.
    const root = await openConnection(mysql.url);
    await root.db.execute(sql`CREATE USER service@localhost`);
    await root.db.execute(sql`GRANT ALL ON doorbuster.* TO service@localhost`);
    await root.close();
    link = await linkTo(mysql.url.replace("root@", "service@"));
    settings = { REDIS_URL: redis.url, DATABASE_URL: link.url, RATE_LIMITS: "off" };
    apis = [await startApi(settings), await startApi(settings)];
    past = await behind({ ...settings, DATABASE_URL: mysql.url });
    seller = await newUser(api().url, "seller");
  });

  const ofBoth = async (name: string): Promise<number> => {
    const counts = await Promise.all(apis.map((one) => metric(one, name)));
    return counts.reduce((sum, count) => sum + count, 0);
  };

  const set = (variable: string, value: string) =>
    past.db.execute(sql.raw(`SET GLOBAL ${variable} = ${value}`));

  test("that answers late: grabs do not, and the batches grow instead of the queue", async () => {
    const delayMs = 100;
    const coupon = await newCoupon(api().url, seller, 3_000);
    const before = await ofBoth("doorbuster_ledger_batch_rows_count");
    link.proxy.slow(delayMs);
    link.proxy.slice(1_000);
    try {
      const since = performance.now();
      const told = await ask(apis, coupon, 2_000);
      // Had one of the 63 rounds of the crowd waited for MySQL, each would have.
      expect(performance.now() - since).toBeLessThan(63 * delayMs);
      await untilBooksAgree(past, coupon, 3_000, told);
    } finally {
      link.proxy.heal();
    }
    expect((await ofBoth("doorbuster_ledger_batch_rows_count")) - before).toBeLessThanOrEqual(12);
  });

  test("that has become read-only: grabs go on, registering is 503, and all is written when it is over", async () => {
    const coupon = await newCoupon(api().url, seller, 300);
    const told = [await ask(apis, coupon, 50)];
    await untilBooksAgree(past, coupon, 300, ...told);
    const before = await ofBoth("doorbuster_ledger_retries_total");
    await set("read_only", "ON");
    try {
      told.push(await ask(apis, coupon, 100));
      expect(await register(api())).toEqual([503, "1"]);
      await until("the ledger to be refused", async () => {
        return (await ofBoth("doorbuster_ledger_retries_total")) > before;
      });
      expect(await past.rowsOf(await past.saleIdOf(coupon.name))).toHaveLength(50);
    } finally {
      await set("read_only", "OFF");
    }
    await untilBooksAgree(past, coupon, 300, ...told);
    expect(await past.db.$count(deadLetters)).toBe(0);
    await until("registering", async () => (await register(api()))[0] === 201);
  });

  test("that has no connection left: what needs a new one is 503, and the ledger has its own", async () => {
    const coupon = await newCoupon(api().url, seller, 300);
    // One that has just begun has few connections yet.
    const young = await startApi(settings);
    const others: Connection[] = [];
    const connectAsService = () =>
      new Promise<Error | null>((resolve) => {
        const { searchParams } = new URL(mysql.url);
        const socketPath = searchParams.get("socketPath") ?? "";
        const one = createConnection({ socketPath, user: "service" });
        one.on("error", () => undefined);
        one.connect(resolve);
        others.push(one);
      });
    const [rows] = await past.db.execute(sql`SHOW GLOBAL STATUS LIKE 'Threads_connected'`);
    const connected = Number((rows as unknown as { Value: string }[])[0]?.Value);
    const [seen] = await past.db.execute(sql`SELECT @@GLOBAL.max_connections AS most`);
    const most = (seen as unknown as { most: number }[])[0]?.most ?? 0;
    await set("max_connections", String(connected + 5));
    try {
      await until("a refusal", async () => (await connectAsService()) !== null);
      // Each needs MySQL, and more of them at once need more connections than there are.
      const { token } = seller;
      const asked = Promise.all(
        Array.from({ length: 64 }, () => v1(young.url, "GET /v1/templates", { token })),
      );
      const told = await ask(apis, coupon, 200);
      const statuses = Map.groupBy(await asked, ({ status }) => status);
      expect([...statuses.keys()].toSorted((one, other) => one - other)).toEqual([200, 503]);
      await untilBooksAgree(past, coupon, 300, told);
    } finally {
      await set("max_connections", String(most));
      for (const one of others) one.destroy();
    }
    await until("registering", async () => (await register(api()))[0] === 201);
  });
});

describe("a MySQL whose disk is full", () => {
  test.skipIf(!mayMountDisks())(
    "grabs go on, and with room again, and the server started again, all of them are rows",
    async () => {
      const redis: RedisServer = await startRedis();
      const folder = freshFolder("mysql");
      const disk = mountSmallDisk(folder, 260 * 1024 * 1024);
      stopLater(async () => disk.unmount());
      const { process: server, url } = await startMysql({ folder });
      // While its disk is full it does not stop when it is asked to.
      stopLater(() => server.kill("SIGKILL"));
      const settings = { REDIS_URL: redis.url, DATABASE_URL: url, RATE_LIMITS: "off" };
      const api = await startApi(settings);
      const past = await behind(settings);
      const seller = await newUser(api.url, "seller");
      const coupon = await newCoupon(api.url, seller, 100_000);
      const told = [await ask([api], coupon, 500)];
      const free = disk.fill(0);
      await until("the ledger to be refused", async () => {
        told.push(await ask([api], coupon, 500));
        return (await metric(api, "doorbuster_ledger_retries_total")) > 0;
      });
      expect(told.flatMap(({ answers }) => answers)).not.toContain("lost");
      free();
      // Versions differ: one refuses writes, one waits a minute before it looks again, one has ended itself.
      await server.kill("SIGKILL");
      await server.start();
      await untilBooksAgree(past, coupon, 100_000, ...told);
      expect(await past.db.$count(deadLetters)).toBe(0);
      expect(await register(api)).toEqual([201, null]);
    },
  );
});

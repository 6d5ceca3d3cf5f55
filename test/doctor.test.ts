// `doorbuster doctor` beside a running service: all well, and then one thing after the other set wrongly.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq, sql } from "drizzle-orm";
import { systemClock } from "../src/clock.ts";
import type { Check } from "../src/doctor/check.ts";
import { examine, type Patient } from "../src/doctor/examine.ts";
import type { MysqlServer } from "../src/embedded/mysql.ts";
import type { RedisServer } from "../src/embedded/redis.ts";
import { deadLetters, recoveries } from "../src/ledger/table.ts";
import { createLog } from "../src/log.ts";
import { saleKeys, shardKeys } from "../src/redis/keys.ts";
import { sales } from "../src/sales/table.ts";
import { startApi, TEST_SECRET, type TestApi, watch } from "./harness/api.ts";
import { newCoupon, newUser } from "./harness/http.ts";
import { freshFolder, startMysql, startRedis, stopEverything } from "./harness/servers.ts";
import { type Behind, behind } from "./harness/service.ts";
import { until } from "./harness/until.ts";

let redis: RedisServer;
let mysql: MysqlServer & { url: string };
let api: TestApi;
let past: Behind;
let saleId: number;

beforeAll(async () => {
  [redis, mysql] = await Promise.all([startRedis(), startMysql()]);
  const servers = { REDIS_URL: redis.url, DATABASE_URL: mysql.url };
  api = await startApi(servers);
  past = await behind(servers);
  const seller = await newUser(api.url, "seller");
  saleId = await past.saleIdOf((await newCoupon(api.url, seller, 100)).name);
}, 60_000);
afterAll(stopEverything);

/** What the doctor says, by the name of the check. */
async function diagnose(changes: Partial<Patient> = {}): Promise<Map<string, Check>> {
  const checks = await examine({
    ...{ redisUrl: redis.url, databaseUrl: mysql.url, durability: "durable", saleId },
    ...{ settingsProblems: [], secrets: [], clock: systemClock, log: createLog("silent") },
    ...changes,
  });
  return new Map(checks.map((check) => [check.name, check]));
}

const OF_THIS_MACHINE = ["open files", "processes", "redis speed"];

/** The checks that are not ok, but for those that tell how busy this machine is, and of a single process. */
const complaints = (checks: Map<string, Check>): string[] =>
  [...checks.values()]
    .filter(({ name, state }) => state !== "ok" && !OF_THIS_MACHINE.includes(name))
    .map(({ name, state }) => `${state}: ${name}`);

/** Waits until the doctor complains of exactly this, because the service mends some of it meanwhile. */
const untilComplaints = (expected: string[], changes: Partial<Patient> = {}) =>
  until(expected.join(), async () => {
    const found = await diagnose(changes);
    expect(complaints(found)).toEqual(expected);
    return found;
  });

/** Sets something in Redis, does something, and puts it back. */
async function withRedis(name: string, wrong: string, work: () => Promise<unknown>): Promise<void> {
  const right = ((await past.redis.config("GET", name)) as string[])[1] ?? "";
  await past.redis.config("SET", name, wrong);
  try {
    await work();
  } finally {
    await past.redis.config("SET", name, right);
  }
}

/** The same for a global variable of MySQL, a name without quotes. */
async function withMysql(name: string, wrong: string, work: () => Promise<unknown>): Promise<void> {
  const [rows] = await past.db.execute(sql.raw(`SELECT @@GLOBAL.${name} AS value`));
  const right = (rows as unknown as { value: number | string }[])[0]?.value;
  await past.db.execute(sql.raw(`SET GLOBAL ${name} = ${wrong}`));
  try {
    await work();
  } finally {
    const value = typeof right === "string" ? `'${right}'` : right;
    await past.db.execute(sql.raw(`SET GLOBAL ${name} = ${value}`));
  }
}

/** The command as an operator runs it. */
async function command(args: string[], environment: Record<string, string>) {
  const doctor = watch(
    [process.execPath, "--no-env-file", "src/cli/main.ts", "doctor", ...args],
    environment,
  );
  await until("the doctor to end", () => doctor.exitCode() !== undefined);
  return { code: doctor.exitCode(), output: doctor.output() };
}

describe("the command", () => {
  const settings = () => ({
    ...{ REDIS_URL: redis.url, DATABASE_URL: mysql.url },
    ...{ JWT_SECRET: TEST_SECRET, CODE_SECRET: TEST_SECRET.toLowerCase() },
  });

  test("prints a line for each check and succeeds when nothing fails", async () => {
    const { code, output } = await command(["--sale", `${saleId}`], settings());
    expect(output).toMatch(/^ok +redis settings +7\.\d+\.\d+, durable, nothing is evicted$/m);
    expect(output).toMatch(/^ok +scripts +Redis knows those of each shard$/m);
    expect(output).toMatch(new RegExp(`^ok +sale ${saleId}: stock +100 of 100 left$`, "m"));
    expect(output).toMatch(/^warning +processes +one lives\n +-> With a second one/m);
    expect(output).toMatch(/^\d+ ok, \d+ warnings?, 0 failures$/m);
    expect(output).not.toContain(TEST_SECRET);
    expect(code).toBe(0);
  });

  test("fails and says what to do when something fails", async () => {
    const weak = { ...settings(), JWT_SECRET: "secretsecretsecretsecretsecretsecret" };
    const { code, output } = await command([], weak);
    expect(output).toMatch(/^FAILURE +JWT_SECRET +is a well-known word.*\n +-> Draw one/m);
    expect(code).toBe(1);
  });

  test("prints the same as JSON", async () => {
    const { code, output } = await command(["--json"], settings());
    const said = JSON.parse(output) as { ok: number; failures: number; checks: Check[] };
    expect(said.failures).toBe(0);
    expect(said.checks.filter(({ state }) => state === "ok")).toHaveLength(said.ok);
    expect(code).toBe(0);
  });

  test("cannot run where no server is to be found, nor for a sale that is no number", async () => {
    const nowhere = await command(["--data", freshFolder("nothing")], {});
    expect(nowhere.output).toContain("Set REDIS_URL and DATABASE_URL");
    expect(nowhere.code).toBe(2);
    expect((await command(["--sale", "many"], settings())).code).toBe(2);
  });
});

describe("of the servers the doctor", () => {
  test("has nothing to say when all is well", async () => {
    await untilComplaints([]);
  });

  test.each([
    ["maxmemory-policy", "allkeys-lru", "redis settings"],
    ["appendfsync", "everysec", "redis settings"],
    ["maxclients", "35", "redis connections"],
  ])("refuses a Redis with %s %s", async (name, wrong, check) => {
    await withRedis(name, wrong, () => untilComplaints([`failure: ${check}`]));
  });

  test("refuses a Redis that is a replica", async () => {
    await past.redis.replicaof("127.0.0.1", 1);
    try {
      const found = await diagnose();
      expect(found.get("redis can be written to")?.state).toBe("failure");
    } finally {
      await past.redis.replicaof("NO", "ONE");
    }
    await untilComplaints([]);
  });

  test("refuses a Redis without room for what is still to be sold", async () => {
    const big = await sale({ total: 5_000_000, warmedAt: new Date() });
    try {
      await withRedis("maxmemory", "500mb", async () => {
        const found = await diagnose({ saleId: big });
        expect(found.get("memory for all sales")?.advice).toContain("CONFIG SET maxmemory");
        expect(found.get(`sale ${big}: memory`)?.state).toBe("failure");
      });
    } finally {
      await past.db.delete(sales).where(eq(sales.id, big));
    }
  });

  test.each([
    ["innodb_flush_log_at_trx_commit", "2", "warning: mysql durability"],
    ["sync_binlog", "0", "warning: mysql durability"],
    ["read_only", "ON", "failure: mysql role"],
    ["max_connections", "40", "failure: mysql connections"],
  ])("notices a MySQL with %s = %s", async (name, wrong, complaint) => {
    await withMysql(name, wrong, () => untilComplaints([complaint]));
  });

  test("warns of clocks that are more than half a second apart, and of no others", async () => {
    const off = (milliseconds: number) =>
      diagnose({ clock: { now: () => Date.now() + milliseconds } });
    const found = await off(2_000);
    expect(complaints(found)).toEqual([
      "warning: clocks of Redis and this machine",
      "warning: clocks of MySQL and this machine",
    ]);
    expect(found.get("clocks of Redis and this machine")?.found).toMatch(
      /^Redis is (?:1\d|20)\d\d ms behind this machine$/,
    );
    expect(complaints(await off(-200))).toEqual([]);
  });

  test("tells which server is away and looks at all the rest", async () => {
    const without = await diagnose({ redisUrl: "redis://127.0.0.1:1" });
    expect(complaints(without)).toEqual(["failure: redis"]);
    expect(without.get("mysql settings")?.state).toBe("ok");
    const other = await diagnose({ databaseUrl: "mysql://root@127.0.0.1:1/doorbuster" });
    expect(complaints(other)).toEqual(["failure: mysql"]);
    expect(other.get("redis settings")?.state).toBe("ok");
  });

  test("says that a database without tables wants the service to be started", async () => {
    const found = await diagnose({ databaseUrl: mysql.urlOf("mysql") });
    expect(found.get("leases")?.advice).toContain("Start the service once");
    expect(found.get("redis settings")?.state).toBe("ok");
  });
});

/** A row for a sale; nobody warms it when `warmedAt` is set. */
async function sale(fields: Partial<typeof sales.$inferInsert>): Promise<number> {
  const name = `row ${performance.now()}`;
  const [row] = await past.db
    .insert(sales)
    .values({
      ...{ sellerId: 1, templateId: 1, name, nameKey: name.padEnd(64, "0").slice(0, 64) },
      ...{ total: 10, ...fields },
    })
    .$returningId();
  return (row as { id: number }).id;
}

describe("of the service the doctor", () => {
  test("notices that a gate is closed and that an epoch is another", async () => {
    const { gate } = shardKeys(saleId % 16);
    const epoch = await past.redis.hget(gate, "epoch");
    await api.end("SIGKILL");
    await past.redis.hset(gate, { epoch: "7777", state: "closed" });
    const found = await diagnose();
    const where = `shard ${saleId % 16}`;
    expect(found.get("gates")?.found).toBe(`not open: ${where}`);
    expect(found.get("epochs")?.found).toBe(`not the same in Redis and MySQL: ${where}`);
    expect(found.get("processes")?.state).toBe("failure");
    await past.redis.script("FLUSH");
    expect((await diagnose()).get("scripts")?.found).toEndWith("all 16 shards");
    await past.redis.hset(gate, { epoch: epoch ?? "", state: "open" });
    api = await startApi({ REDIS_URL: redis.url, DATABASE_URL: mysql.url });
    await untilComplaints([]);
  }, 60_000);

  test("names a warm sale that Redis has lost, and one that is not there in time", async () => {
    const lost = await sale({ warmedAt: new Date() });
    const found = await diagnose({ saleId: lost });
    expect(found.get("sales in redis")?.found).toBe(`missing: sale ${lost}`);
    expect(found.get(`sale ${lost}: in redis`)?.found).toBe("lost");
    await past.db.delete(sales).where(eq(sales.id, lost));
    // The service warms it at once; then it is as if nobody had.
    const cold = await sale({ createdAt: sql`UTC_TIMESTAMP(3) - INTERVAL 1 HOUR` as never });
    await until("a warm sale", async () => (await past.redis.exists(saleKeys(cold).sale)) === 1);
    expect((await diagnose()).get("sales about to open")?.state).toBe("ok");
    await api.end("SIGKILL");
    await past.db.update(sales).set({ warmedAt: null }).where(eq(sales.id, cold));
    expect((await diagnose()).get("sales about to open")?.found).toBe(`not in Redis: sale ${cold}`);
    await past.db.update(sales).set({ warmedAt: new Date() }).where(eq(sales.id, cold));
    api = await startApi({ REDIS_URL: redis.url, DATABASE_URL: mysql.url });
  }, 60_000);

  test("tells of dead letters and of numbers that were burned", async () => {
    const letter = { shard: 1, entryId: "1-1", saleId: 1, grantNo: 1, payload: "" };
    await past.db.insert(deadLetters).values([
      { ...letter, reason: "for a test" },
      { ...letter, grantNo: 2, reason: "its coupon: for a test" },
    ]);
    await past.db.insert(recoveries).values({
      ...{ shard: 1, epochFrom: 1, epochTo: 2, reason: "for a test", salesRebuilt: 1 },
      ...{ grantsRestored: 0, voids: 3, milliseconds: 1 },
    });
    const found = await untilComplaints([
      "failure: dead letters",
      "failure: dead letters of coupons",
      "warning: recoveries",
    ]);
    expect(found.get("dead letters of coupons")?.advice).toContain("doorbuster coupons repair");
    expect(found.get("recoveries")?.found).toStartWith("3 numbers");
    await past.db.delete(deadLetters);
    await past.db.delete(recoveries).where(eq(recoveries.voids, 3));
    await untilComplaints([]);
  });

  test("says that a sale does not exist, and what is odd about one that does", async () => {
    const none = await diagnose({ saleId: 999_999 });
    expect(complaints(none)).toEqual(["failure: sale 999999: exists"]);
    const past1 = new Date(Date.now() - 60_000);
    const odd = await sale({
      ...{ sellerId: 999_999, total: 2, userLimit: 3, state: "paused" },
      ...{ opensAt: new Date(0), closesAt: past1, warmedAt: past1 },
    });
    expect(complaints(await diagnose({ saleId: odd }))).toEqual([
      `failure: sale ${odd}: seller`,
      `failure: sale ${odd}: limit`,
      `failure: sale ${odd}: window`,
      `warning: sale ${odd}: state`,
      `failure: sale ${odd}: in redis`,
    ]);
    await past.db.delete(sales).where(eq(sales.id, odd));
  });
});

// `bun run serve` as it starts: what it refuses, what it waits for, and several processes at once.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq, sql } from "drizzle-orm";
import { readConfig } from "../src/config.ts";
import { codeKeyOf } from "../src/coupons/code.ts";
import { openConnection } from "../src/db/client.ts";
import { lockName } from "../src/db/locks.ts";
import { migrate } from "../src/db/migrate.ts";
import type { RedisServer } from "../src/embedded/redis.ts";
import { createLog } from "../src/log.ts";
import { sales } from "../src/sales/table.ts";
import { startService } from "../src/service.ts";
import { startApi, TEST_CODE_SECRET, TEST_SECRET, watch } from "./harness/api.ts";
import { call, grab, list, mintCustomer, newCoupon, newUser } from "./harness/http.ts";
import { newSale } from "./harness/ledger.ts";
import { linkTo } from "./harness/links.ts";
import { freshDatabase, startMysql, startRedis, stopEverything } from "./harness/servers.ts";
import { assertRows, type Behind, behind } from "./harness/service.ts";
import { until } from "./harness/until.ts";

let redis: RedisServer;
let database: { url: string };
let past: Behind;

beforeAll(async () => {
  [redis, database] = await Promise.all([startRedis(), freshDatabase({ migrated: false })]);
  past = await behind({ REDIS_URL: redis.url, DATABASE_URL: database.url });
});
afterAll(stopEverything);

/** Starts the service with settings that it is to refuse; gives its complaints, one per line. */
async function complaints(settings: Record<string, string | undefined>): Promise<string[]> {
  const all = {
    ...{ HOST: "127.0.0.1", PORT: "0", OPS_PORT: "0" },
    ...{ JWT_SECRET: TEST_SECRET, CODE_SECRET: TEST_CODE_SECRET },
    ...{ REDIS_URL: redis.url, DATABASE_URL: database.url, ...settings },
  };
  const given = Object.entries(all).filter((entry): entry is [string, string] => !!entry[1]);
  const command = [process.execPath, "--no-orphans", "--no-env-file", "src/main.ts"];
  const service = watch(command, Object.fromEntries(given));
  await until("the service to give up", () => service.exitCode() !== undefined);
  expect(service.exitCode()).toBe(1);
  const said = await until("its last words", () =>
    service.output().includes(".env.example") ? service.output() : undefined,
  );
  expect(said).toContain("Doorbuster does not start:\n");
  return said.split("\n").flatMap((line) => (line.startsWith("  - ") ? [line.slice(4)] : []));
}

/** Changes settings of Redis, does something, and puts them back. */
async function withRedis(wrong: Record<string, string>, work: () => Promise<void>): Promise<void> {
  const right: Record<string, string> = {};
  for (const [name, value] of Object.entries(wrong)) {
    right[name] = ((await past.redis.config("GET", name)) as string[])[1] ?? "";
    await past.redis.config("SET", name, value);
  }
  try {
    await work();
  } finally {
    for (const [name, value] of Object.entries(right)) await past.redis.config("SET", name, value);
  }
}

describe("the service refuses to start", () => {
  test("without a secret, with a short one, and with a well-known word", async () => {
    const short = /^JWT_SECRET must have at least 32 bytes/;
    const cases: [string | undefined, RegExp][] = [
      [undefined, /^JWT_SECRET must be set$/],
      ["secret", short],
      ["a".repeat(31), short],
      ["secretsecretsecretsecretsecretsecret", /^JWT_SECRET is a well-known word/],
      ["changeme-changeme-changeme-changeme", /^JWT_SECRET is a well-known word/],
      ["12345678901234567890123456789012", /^JWT_SECRET is a well-known word/],
    ];
    const said = await Promise.all(cases.map(([JWT_SECRET]) => complaints({ JWT_SECRET })));
    for (const [index, lines] of said.entries()) {
      expect(lines).toHaveLength(1);
      expect(lines[0]).toMatch(cases[index]?.[1] ?? /$^/);
    }
  });

  test("without a secret for coupon codes, with a bad one among several, and with the tokens' own", async () => {
    const good = TEST_CODE_SECRET;
    const cases: [string | undefined, RegExp][] = [
      [undefined, /^CODE_SECRET must be set$/],
      ["secret", /^CODE_SECRET must have at least 32 bytes/],
      [`${good}, secret`, /^CODE_SECRET has a secret that must have at least 32 bytes/],
      [`${good},`, /^CODE_SECRET has a secret that must have at least 32 bytes/],
      [`${good},${good}`, /^CODE_SECRET has a secret twice/],
      [`${good}, ${TEST_SECRET}`, /^CODE_SECRET is JWT_SECRET once more$/],
    ];
    const said = await Promise.all(cases.map(([CODE_SECRET]) => complaints({ CODE_SECRET })));
    for (const [index, lines] of said.entries()) {
      expect(lines).toHaveLength(1);
      expect(lines[0]).toMatch(cases[index]?.[1] ?? /$^/);
    }
  });

  test.each([
    ["maxmemory-policy", "allkeys-lru", "noeviction"],
    ["appendonly", "no", "yes"],
    ["appendfsync", "everysec", "always"],
    ["no-appendfsync-on-rewrite", "yes", "no"],
  ])("with a Redis that has %s %s", async (name, wrong, right) => {
    await withRedis({ [name]: wrong }, async () => {
      expect(await complaints({})).toEqual([
        `Redis has ${name} ${wrong}; it must be ${right}: CONFIG SET ${name} ${right}`,
      ]);
    });
  });

  test("in fast mode with a Redis of durable mode", async () => {
    const lines = await complaints({ DURABILITY: "fast" });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toStartWith("Redis has appendfsync always; it must be everysec");
  });

  test("and lists everything that is wrong at once, in the settings and in Redis", async () => {
    const wrong = { "maxmemory-policy": "volatile-ttl", appendonly: "no", appendfsync: "no" };
    await withRedis(wrong, async () => {
      const lines = await complaints({
        ...{ JWT_SECRET: "secret", PORT: "99999", CLASSIC_GRAB_STATUS: "204", RATE_LIMITS: "no" },
        ...{ LEDGER_KEEP: "soon", TRUST_PROXY: "everybody", DATABASE_URL: undefined },
      });
      const subjects = lines.map((line) => /^(Redis has )?(\S+)/.exec(line)?.[2]);
      expect(lines).toHaveLength(10);
      expect(new Set(subjects)).toEqual(
        new Set([
          ...["JWT_SECRET", "PORT", "CLASSIC_GRAB_STATUS", "RATE_LIMITS", "LEDGER_KEEP"],
          ...["TRUST_PROXY", "DATABASE_URL", "maxmemory-policy", "appendonly", "appendfsync"],
        ]),
      );
    });
  });

  test("with sales whose codes need a secret that is not there any more", async () => {
    const { url: databaseUrl } = await freshDatabase();
    const { db } = await behind({ REDIS_URL: redis.url, DATABASE_URL: databaseUrl });
    const newer = TEST_CODE_SECRET.toUpperCase();
    const [old, fresh] = [TEST_CODE_SECRET, newer].map(codeKeyOf);
    const ended = new Date(Date.now() - 3 * 86_400_000);
    // One that names no secret means the oldest; one that has ended needs none any more.
    const first = await newSale(db);
    const lost = await newSale(db, { codeKey: "??", closesAt: new Date() });
    await newSale(db, { codeKey: "!!", closesAt: ended });
    await newSale(db, { codeKey: fresh });
    const settings = { DATABASE_URL: databaseUrl, CODE_SECRET: `${newer},${TEST_CODE_SECRET}` };
    const [line, ...others] = await complaints(settings);
    expect(others).toEqual([]);
    expect(line).toStartWith("CODE_SECRET lacks the secret");
    expect(line).toContain(`of sale ${lost}, those that begin with ??:`);
    await db.update(sales).set({ codeKey: fresh }).where(eq(sales.id, lost));
    const [left] = await complaints({ ...settings, CODE_SECRET: newer });
    expect(left).toContain(`of sale ${first}, those that begin with ${old}:`);
  });

  test("never telling a secret", async () => {
    const lines = await complaints({ JWT_SECRET: "hunter2-hunter2", PORT: "x" });
    expect(lines.join()).not.toContain("hunter2");
  });
});

test("one that is stopped while it starts begins nothing any more", async () => {
  const link = await linkTo(database.url);
  const read = readConfig(
    {},
    {
      ...{ HOST: "127.0.0.1", PORT: "0", OPS_PORT: "0", REDIS_URL: redis.url },
      ...{ DATABASE_URL: link.url, JWT_SECRET: TEST_SECRET, CODE_SECRET: TEST_CODE_SECRET },
    },
  );
  if (!read.ok) throw new Error(read.problems.join());
  // The last question to MySQL before the service begins what goes on in the background.
  const asked = link.proxy.freezeAt("@@innodb_flush_log_at_trx_commit");
  const service = startService(read.config, createLog("silent"));
  await asked;
  const stopped = service.stop(0);
  await until("the port to close", () =>
    fetch(service.url).then(
      () => false,
      () => true,
    ),
  );
  link.proxy.heal();
  let begins = true;
  void service.ready.then(() => {
    begins = false;
  });
  await until("the start to end", () => !begins);
  await stopped;
});

test("processes share the API's port, and each has an operations port of its own", async () => {
  const settings = { REDIS_URL: redis.url, DATABASE_URL: database.url };
  const first = await startApi(settings);
  const ports = { PORT: new URL(first.url).port, OPS_PORT: new URL(first.opsUrl).port };
  const [said, ...more] = await complaints(ports);
  expect(said).toContain(ports.OPS_PORT);
  expect(more).toEqual([]);
  const second = await startApi({ ...settings, PORT: ports.PORT });
  expect(second.url).toBe(first.url);
  expect(await first.end("SIGTERM")).toBe(0);
  await until("the second to be open", async () => (await fetch(`${second.url}/readyz`)).ok);
  expect(await second.end("SIGTERM")).toBe(0);
});

test("three processes that start at once on an empty database migrate it once, and all serve", async () => {
  const settings = { REDIS_URL: redis.url, DATABASE_URL: database.url };
  const services = await Promise.all([1, 2, 3].map(() => startApi(settings)));
  const [rows] = await past.db.execute(sql`SELECT COUNT(*) AS done FROM __drizzle_migrations`);
  const journal = (await Bun.file(
    new URL("../drizzle/meta/_journal.json", import.meta.url),
  ).json()) as { entries: unknown[] };
  expect((rows as unknown as { done: number }[])[0]?.done).toBe(journal.entries.length);

  const [one, two, three] = services.map(({ url }) => url) as [string, string, string];
  const seller = await newUser(one, "seller");
  const coupon = await newCoupon(two, seller, 3);
  for (const url of [one, two, three]) {
    expect(await grab(url, coupon, (await mintCustomer()).token)).toBe("won");
  }
  const saleId = await past.saleIdOf(coupon.name);
  await until("three rows", async () => {
    assertRows(await past.rowsOf(saleId), 3);
    return true;
  });
  expect((await list(one, seller.username, seller.token))[0]?.left).toBe(0);
  await Promise.all(services.map((service) => service.end("SIGKILL")));
});

test("a migration waits for another of its own database, and not for one of another database", async () => {
  const [mine, other] = await Promise.all([freshDatabase(), freshDatabase()]);
  const holder = await openConnection(mine.url);
  await holder.db.execute(sql`SELECT GET_LOCK(${lockName("migrate")}, 0)`);
  await migrate(other.url);
  let over = false;
  const waiting = migrate(mine.url).then(() => {
    over = true;
  });
  // Another whole migration later it still waits.
  await migrate(other.url);
  expect(over).toBe(false);
  await holder.close();
  await waiting;
});

test("a service that starts before Redis and MySQL lives, is not ready, and opens when both are there", async () => {
  const [late, lateMysql] = await Promise.all([startRedis(), startMysql()]);
  await Promise.all([late.process.stop(), lateMysql.process.stop()]);
  const settings = { REDIS_URL: late.url, DATABASE_URL: lateMysql.url };
  const { url, opsUrl } = await startApi(settings, { ready: false });
  const { token } = await mintCustomer();
  const refuses = async () => {
    expect(await call(`GET ${url}/livez`)).toMatchObject({ status: 200, text: "ok" });
    expect(await call(`GET ${url}/readyz`)).toMatchObject({ status: 503, text: "starting" });
    expect((await call(`GET ${opsUrl}/readyz`)).status).toBe(503);
    const answer = await call(`PATCH ${url}/api/users/a/coupons/b`, { token });
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "1"]);
  };
  await refuses();
  await late.process.start();
  await refuses();
  await lateMysql.process.start();
  await until("the service to open", async () => (await call(`GET ${url}/readyz`)).status === 200);
  const coupon = await newCoupon(url, await newUser(url, "seller"), 1);
  expect(await grab(url, coupon, token)).toBe("won");
});

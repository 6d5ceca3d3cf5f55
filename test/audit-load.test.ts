// The audit beside a service that sells: it must never cry wolf, and must not be in the way.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { audit } from "../src/audit/audit.ts";
import { saleKeys } from "../src/redis/keys.ts";
import { runAudit } from "./harness/cli.ts";
import { type Engine, startEngine } from "./harness/engine.ts";
import { inParallel } from "./harness/http.ts";
import { freshDatabase, startRedis, stopEverything } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

let servers: { redisUrl: string; databaseUrl: string };
let engines: Engine[];

beforeAll(async () => {
  const [{ url: redisUrl }, { url: databaseUrl }] = await Promise.all([
    startRedis(),
    freshDatabase(),
  ]);
  servers = { redisUrl, databaseUrl };
  engines = [await startEngine(servers), await startEngine(servers)];
});
afterAll(stopEverything);

test("it finds nothing again and again while two processes sell, and says the backlog", async () => {
  const [engine] = engines as [Engine, Engine];
  const single = await engine.sale(48_000);
  const double = await engine.sale(45_000, { userLimit: 3 });
  let selling = true;
  const sold = Promise.all(
    engines.map(async (at, side) => {
      const users = Array.from({ length: 26_000 }, (_, i) => 1 + i + side * 24_000);
      await inParallel(users, 64, async (user) => {
        await at.grabSurely(single, user);
        await at.grabSurely(double, user, `key ${user % 2}`);
      });
    }),
  ).finally(() => {
    selling = false;
  });
  let [audits, backlogs] = [0, 0];
  while (selling) {
    // No pause before the second look: what is wrong at first sight has no time to come right.
    const report = await audit(engine, { secondLookMs: 0 });
    expect(report.findings).toEqual([]);
    audits += 1;
    for (const { granted, recorded, backlog } of report.sales) {
      expect(recorded + backlog).toBe(granted);
      if (backlog > 0) backlogs += 1;
    }
  }
  await sold;
  expect(audits).toBeGreaterThan(4);
  expect(backlogs).toBeGreaterThan(0);
  await until("all rows", async () => {
    const { sales, findings } = await audit(engine, { secondLookMs: 0 });
    expect(findings).toEqual([]);
    return sales.every(({ backlog }) => backlog === 0);
  });
});

const MANY = 200_000;
const ROWS_PER_STATEMENT = 10_000;
/** A million may take 20 s and 300 MB. */
const SECONDS_MAX = 10;
const BYTES_MAX = 300 * 1024 * 1024;
const SLOW_MICROSECONDS = 20_000;

test("200,000 grants are compared in seconds and in little memory, and no command is slow", async () => {
  const [{ redis, pool, sale }] = engines as [Engine, Engine];
  const saleId = await sale(MANY);
  const keys = saleKeys(saleId);
  for (let from = 1; from <= MANY; from += ROWS_PER_STATEMENT) {
    const numbers = Array.from({ length: ROWS_PER_STATEMENT }, (_, i) => from + i);
    const list = JSON.stringify(numbers);
    await pool.db.execute(sql`INSERT INTO grants
      (sale_id, grant_no, user_id, user_slot, epoch, granted_at)
      SELECT ${saleId}, number, number + 5, 1, 1, '2027-01-01 00:00:00'
      FROM JSON_TABLE(${list}, '$[*]' COLUMNS (number BIGINT UNSIGNED PATH '$')) AS numbers`);
    await redis.hset(keys.winners, ...numbers.flatMap((number) => [number + 5, number]));
  }
  await pool.db.execute(sql`UPDATE sales SET granted = ${MANY} WHERE id = ${saleId}`);
  await redis.hset(keys.sale, { granted: MANY, recorded: MANY });
  await redis.config("SET", "slowlog-log-slower-than", SLOW_MICROSECONDS);
  await redis.call("SLOWLOG", "RESET");
  const startedAt = performance.now();
  const { code, report, peakBytes } = await runAudit(servers, "--sale", String(saleId));
  const seconds = (performance.now() - startedAt) / 1_000;
  expect({ code, findings: report.findings }).toEqual({ code: 0, findings: [] });
  expect(report.sales).toMatchObject([{ granted: MANY, recorded: MANY, winners: MANY }]);
  expect(seconds).toBeLessThan(SECONDS_MAX);
  expect(peakBytes).toBeGreaterThan(10_000_000);
  expect(peakBytes).toBeLessThan(BYTES_MAX);
  // A busy machine may stop Redis in the middle of any command, but not in many of the hundreds.
  expect(await redis.call("SLOWLOG", "LEN")).toBeLessThan(3);
});

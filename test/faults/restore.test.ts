// MySQL comes back from a copy that is older than what it had confirmed to the ledger.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { migrate } from "../../src/db/migrate.ts";
import { layoutOf } from "../../src/embedded/layout.ts";
import type { MysqlServer } from "../../src/embedded/mysql.ts";
import { shardOf } from "../../src/redis/keys.ts";
import { crowd, type Engine, latestRecovery, startEngine, untilRows } from "../harness/engine.ts";
import { shardRow } from "../harness/ledger.ts";
import { freshFolder, startMysql, startRedis, stopEverything } from "../harness/servers.ts";
import { until } from "../harness/until.ts";

const folder = { of: "" };
let mysql: MysqlServer & { url: string };

beforeAll(async () => {
  folder.of = freshFolder("restored");
  mysql = await startMysql({ folder: folder.of });
  await migrate(mysql.url);
});
afterAll(stopEverything);

const data = () => layoutOf(folder.of).mysql;

/** A copy of MySQL's data as it is now. */
async function backUp(): Promise<string> {
  const copy = join(freshFolder("copy"), "mysql");
  await mysql.process.stop();
  cpSync(data(), copy, { recursive: true });
  await mysql.process.start();
  return copy;
}

async function restore(copy: string): Promise<void> {
  await mysql.process.kill("SIGKILL");
  rmSync(data(), { recursive: true });
  cpSync(copy, data(), { recursive: true });
  await mysql.process.start();
}

/** Sells, copies MySQL, sells on until MySQL has all of it. */
async function soldSinceCopy(engine: Engine) {
  const saleId = await engine.sale(60);
  const before = await crowd(engine, saleId, [1, 20]);
  await untilRows(engine, saleId, before);
  const copy = await backUp();
  const confirmed = [...before, ...(await crowd(engine, saleId, [21, 40], 4))];
  await untilRows(engine, saleId, confirmed);
  await until("Redis to hear of it", async () => (await engine.counters(saleId)).recorded === "40");
  return { saleId, copy, confirmed };
}

describe("MySQL is restored from an older copy", () => {
  test("with LEDGER_KEEP the ledger still has what is newer, with its times, and is read again", async () => {
    const { url } = await startRedis();
    const servers = { redisUrl: url, databaseUrl: mysql.url };
    const engine = await startEngine(servers, { ledgerKeepMs: 3_600_000 });
    const { saleId, copy, confirmed } = await soldSinceCopy(engine);
    const before = await shardRow(engine.pool.db, shardOf(saleId));
    await restore(copy);
    await untilRows(engine, saleId, confirmed);
    const after = await shardRow(engine.pool.db, shardOf(saleId));
    expect(after).toMatchObject({ epoch: before.epoch, lastId: before.lastId });
    const later = await crowd(engine, saleId, [41, 100]);
    expect(later).toHaveLength(20);
    await untilRows(engine, saleId, [...confirmed, ...later]);
    await engine.stop();
  });

  test("without it, the winners in Redis have: grabs close, all is recorded again, and no number is void", async () => {
    const { url } = await startRedis();
    const engine = await startEngine({ redisUrl: url, databaseUrl: mysql.url });
    const { saleId, copy, confirmed } = await soldSinceCopy(engine);
    await restore(copy);
    await untilRows(engine, saleId, confirmed);
    await until("the recovery", async () => (await latestRecovery(engine, saleId))?.salesRebuilt);
    const recovery = await latestRecovery(engine, saleId);
    expect(recovery).toMatchObject({ voids: 0 });
    // Trimming keeps the last entry; what was in the others only the winners tell.
    expect(recovery?.grantsRestored).toBeWithin(1, 20);
    const later = await crowd(engine, saleId, [1, 100]);
    expect(later).toHaveLength(60);
    await untilRows(engine, saleId, later);
    await engine.stop();
  });
});

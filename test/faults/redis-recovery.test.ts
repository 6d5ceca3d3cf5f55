// Recoveries that are not alone: a leader that died in the middle, a process that starts meanwhile.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { eq, sql } from "drizzle-orm";
import { grants, processes } from "../../src/ledger/table.ts";
import { shardOf } from "../../src/redis/keys.ts";
import { type Engine, latestRecovery, startEngine } from "../harness/engine.ts";
import { shardRow } from "../harness/ledger.ts";
import { Customers } from "../harness/promises.ts";
import { startStores, stopEverything } from "../harness/servers.ts";
import { until } from "../harness/until.ts";

let servers: { redisUrl: string; databaseUrl: string };
let engine: Engine;

beforeAll(async () => {
  ({ servers } = await startStores());
  engine = await startEngine(servers);
});
afterAll(stopEverything);

test("a process that starts in the middle of another's recovery waits for it, and opens with its epoch", async () => {
  const saleId = await engine.sale(100);
  const customers = new Customers(saleId);
  expect(await customers.crowd(engine, [1, 30])).toBe(30);
  const shard = shardOf(saleId);
  const { epoch } = await shardRow(engine.pool.db, shard);
  // Somebody who lives, and takes time to say what has been confirmed: every recovery waits for that.
  const silent = { id: "a silent one", host: "another host", pid: 1, startedAt: sql`NOW(3)` };
  const later = sql`NOW(3) + INTERVAL 1 HOUR`;
  await engine.pool.db.insert(processes).values({ ...silent, heartbeatAt: later });
  await engine.redis.script("FLUSH");
  expect(await customers.ask(engine, 31)).toMatchObject({ reason: "recovering" });
  await until("the recovery to have begun", async () => {
    return (await shardRow(engine.pool.db, shard)).incarnation === "";
  });

  const newcomer = await startEngine(servers, { ready: false });
  await until("all three to live", () => newcomer.thread.status()?.livingProcesses === 3);
  expect(newcomer.gates.at(shard)).toBeUndefined();
  for (const one of [engine, newcomer]) {
    expect(await customers.ask(one, 31)).toMatchObject({ reason: "recovering" });
  }

  await engine.pool.db.delete(processes).where(eq(processes.id, silent.id));
  await newcomer.gates.opened;
  expect(await customers.crowd([engine, newcomer], [1, 150])).toBe(100);
  const epochs = [engine, newcomer].map(({ gates }) => gates.at(shard)?.epoch);
  expect(epochs).toEqual([epoch + 1, epoch + 1]);
  await customers.assertKept(engine, 100);
  await newcomer.stop();
});

test("rows that a leader wrote before it died are counted by the next one", async () => {
  const saleId = await engine.sale(100);
  const customers = new Customers(saleId);
  expect(await customers.crowd(engine, [1, 10])).toBe(10);
  await customers.assertKept(engine, 100);
  const row = { saleId, grantNo: 11, userId: 11, userSlot: 1, epoch: 1, grantedAt: new Date() };
  await engine.pool.db.insert(grants).values(row);
  await engine.redis.script("FLUSH");
  expect(await customers.insist(engine, 12)).toEqual({ kind: "granted", number: 12 });
  expect(await customers.insist(engine, 11)).toEqual({ kind: "repeated", number: 11 });
  await customers.assertKept(engine, 100);
  expect(await latestRecovery(engine, saleId)).toMatchObject({ salesRebuilt: 1, voids: 0 });
});

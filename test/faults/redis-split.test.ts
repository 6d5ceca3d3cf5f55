// Two primaries, and a process that sees neither the new one nor MySQL for a while (B20): what it confirms
// meanwhile may be somebody else's. Once it sees MySQL again it is fenced, and each of its grants that MySQL gave
// to somebody else is a dead letter with sale and number.

import { afterAll, expect, test } from "bun:test";
import { asc, eq, sql } from "drizzle-orm";
import { deadLetters, processes } from "../../src/ledger/table.ts";
import { startEngine } from "../harness/engine.ts";
import { linkTo } from "../harness/links.ts";
import { startPair } from "../harness/pair.ts";
import { Customers } from "../harness/promises.ts";
import { stopEverything } from "../harness/servers.ts";
import { until } from "../harness/until.ts";

afterAll(stopEverything);

test("a process that was cut off with the old primary is fenced, and what it sold in vain is reported", async () => {
  const pair = await startPair();
  const mysql = await linkTo(pair.databaseUrl);
  const old = await startEngine({ redisUrl: pair.primaryUrl, databaseUrl: mysql.url });
  const [oldProcess] = await old.pool.db.select().from(processes);
  const moved = await startEngine({ redisUrl: pair.address.url, databaseUrl: pair.databaseUrl });
  const saleId = await old.sale(200);
  const customers = new Customers(saleId);
  expect(await customers.crowd([old, moved], [1, 40])).toBe(40);
  await customers.assertKept(old, 200);
  await pair.cutReplication();
  const twice = Array.from({ length: 15 }, (_, i) => 41 + i);
  mysql.proxy.cut();
  // As it is once its heart has not beaten for a while.
  await moved.pool.db
    .update(processes)
    .set({ heartbeatAt: sql`NOW(3) - INTERVAL 1 HOUR` })
    .where(eq(processes.id, oldProcess?.id ?? ""));
  await pair.promote();
  pair.switchTo("replica");

  expect(await customers.crowd(old, [41, 60])).toBe(20);
  expect(await customers.crowd(moved, [61, 75])).toBe(15);
  mysql.proxy.heal();
  await until("a dead letter for each number that was sold twice", async () => {
    const letters = await moved.pool.db
      .selectDistinct({ number: deadLetters.grantNo })
      .from(deadLetters)
      .where(eq(deadLetters.saleId, saleId))
      .orderBy(asc(deadLetters.grantNo));
    const numbers = letters.map(({ number }) => number).join();
    return numbers === twice.join() || Promise.reject(new Error(numbers));
  });
  await old.stop();
  // Who was told a number in vain asks again, and takes part anew.
  expect(await customers.crowd(moved, [1, 300])).toBe(200);
  await customers.assertKept(moved, 200, { lost: 15 });
});

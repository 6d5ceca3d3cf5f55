// A failover to a replica that lacks the last moments, and back (B19); two primaries at once (B20).

import { afterAll, expect, test } from "bun:test";
import { latestRecovery, startEngine, stopWriting } from "../harness/engine.ts";
import { startPair } from "../harness/pair.ts";
import { Customers } from "../harness/promises.ts";
import { stopEverything } from "../harness/servers.ts";

afterAll(stopEverything);

test("a replica that lacks the last moments is promoted, and later the old primary is back", async () => {
  const pair = await startPair();
  const engine = await startEngine({
    ...{ redisUrl: pair.address.url, databaseUrl: pair.databaseUrl },
  });
  const saleId = await engine.sale(100);
  const customers = new Customers(saleId);
  expect(await customers.crowd(engine, [1, 30])).toBe(30);
  await customers.assertKept(engine, 100);
  await pair.cutReplication();
  await stopWriting([engine], saleId);
  expect(await customers.crowd(engine, [31, 45])).toBe(15);

  await pair.promote();
  pair.switchTo("replica");
  expect(await customers.crowd(engine, [1, 70])).toBe(70);
  await customers.assertKept(engine, 100);
  expect(await latestRecovery(engine, saleId)).toMatchObject({ grantsRestored: 15, voids: 0 });

  pair.switchTo("primary");
  expect(await customers.crowd(engine, [1, 130])).toBe(100);
  await customers.assertKept(engine, 100);
  expect(await latestRecovery(engine, saleId)).toMatchObject({ grantsRestored: 0, voids: 0 });
});

test("two primaries, and both processes see MySQL: they take turns, and nothing is sold twice", async () => {
  const pair = await startPair();
  const { databaseUrl } = pair;
  const old = await startEngine({ redisUrl: pair.primaryUrl, databaseUrl });
  const moved = await startEngine({ redisUrl: pair.address.url, databaseUrl });
  const saleId = await old.sale(200);
  const customers = new Customers(saleId);
  expect(await customers.crowd([old, moved], [1, 40])).toBe(40);
  await customers.assertKept(old, 200);
  await pair.cutReplication();
  await pair.promote();
  pair.switchTo("replica");

  expect(await customers.crowd([old, moved], [41, 120])).toBe(80);
  // The split ends: the process at the old primary is stopped.
  await old.stop();
  expect(await customers.crowd(moved, [1, 250])).toBe(200);
  await customers.assertKept(moved, 200);
});

// The end of a sale's ledger is lost: no entry comes after it that would not follow, so only the audit can notice.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { saleKeys } from "../src/redis/keys.ts";
import {
  crowd,
  type Engine,
  latestRecovery,
  startEngine,
  stopWriting,
  untilRows,
  writeAgain,
} from "./harness/engine.ts";
import { startStores, stopEverything } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

let engine: Engine;

beforeAll(async () => {
  const { servers } = await startStores();
  engine = await startEngine(servers, { auditMs: 100 });
});
afterAll(stopEverything);

test("a sale whose last entries are lost is recovered, and not paused", async () => {
  const saleId = await engine.sale(12);
  await stopWriting([engine], saleId);
  const confirmed = await crowd(engine, saleId, [1, 12], 1);
  const { ledger } = saleKeys(saleId);
  for (const [id] of await engine.redis.xrevrange(ledger, "+", "-", "COUNT", 2))
    await engine.redis.xdel(ledger, id);
  await writeAgain(engine, saleId);
  await until("a recovery", async () => {
    const { reason = "" } = (await latestRecovery(engine, saleId)) ?? {};
    return reason.includes(`sale ${saleId}`) && reason.includes("has 10");
  });
  await untilRows(engine, saleId, confirmed);
  expect(await engine.grabSurely(saleId, 12)).toEqual({ kind: "repeated", number: 12 });
  expect((await engine.counters(saleId)).state).toBe("open");
});

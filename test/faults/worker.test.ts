// Faults of the ledger's thread: it dies, its process dies right after COMMIT, the stream holds what cannot be written.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readConfig } from "../../src/config.ts";
import { deadLetters } from "../../src/ledger/table.ts";
import { createLog } from "../../src/log.ts";
import { saleKeys, shardOf } from "../../src/redis/keys.ts";
import { type Service, startService } from "../../src/service.ts";
import { startApi, TEST_CODE_SECRET, TEST_SECRET } from "../harness/api.ts";
import {
  call,
  mintCustomers,
  newCoupon,
  newUser,
  type TestUser,
  untilWell,
} from "../harness/http.ts";
import { lettersOf } from "../harness/ledger.ts";
import { linkTo } from "../harness/links.ts";
import type { Death } from "../harness/mortal-thread.ts";
import { startStores, stopEverything, stopLater } from "../harness/servers.ts";
import { type Behind, behind } from "../harness/service.ts";
import { crowdAsks, untilBooksAgree } from "../harness/told.ts";
import { until } from "../harness/until.ts";

let settings: { REDIS_URL: string; DATABASE_URL: string; RATE_LIMITS: string };
let service: Service;
let past: Behind;
let seller: TestUser;

const RealWorker = globalThis.Worker;
const threads: Worker[] = [];

/** Starts a thread that can be told to die, in place of the ledger's. */
class MortalWorker extends RealWorker {
  constructor(url: string | URL) {
    const isLedger = String(url).endsWith("/ledger/thread.ts");
    super(isLedger ? new URL("../harness/mortal-thread.ts", import.meta.url) : url);
    if (isLedger) threads.push(this);
  }
}

beforeAll(async () => {
  ({ settings } = await startStores({ RATE_LIMITS: "off" }));
  const read = readConfig(
    {},
    {
      ...{ ...settings, HOST: "127.0.0.1", PORT: "0", OPS_PORT: "0" },
      ...{ JWT_SECRET: TEST_SECRET, CODE_SECRET: TEST_CODE_SECRET },
    },
  );
  if (!read.ok) throw new Error(read.problems.join());
  globalThis.Worker = MortalWorker;
  stopLater(() => {
    globalThis.Worker = RealWorker;
    return Promise.resolve();
  });
  service = startService(read.config, createLog("silent"));
  stopLater(() => service.stop(0));
  await service.ready;
  past = await behind(settings);
  seller = await newUser(service.url, "seller");
});
afterAll(stopEverything);

const readiness = async (): Promise<string> => (await call(`GET ${service.url}/readyz`)).text;

const counted = async (metric: string, opsUrl = service.opsUrl): Promise<number> => {
  const { text } = await call(`GET ${opsUrl}/metrics`);
  return Number(new RegExp(`^${metric} (\\S+)$`, "m").exec(text)?.[1]);
};

/** The fields of an entry that could be written, as grab.lua writes them. */
const SOUND = {
  ...{ kind: "grant", epoch: "1", at: "1800000000123", first: "1", users: "77" },
  ...{ granted: "1", returned: "0" },
};

describe("the thread", () => {
  const deaths: [how: string, die: () => void][] = [
    ["is terminated", () => threads.at(-1)?.terminate()],
    ["throws", () => threads.at(-1)?.postMessage("throws" satisfies Death)],
    ["exits", () => threads.at(-1)?.postMessage("exits" satisfies Death)],
  ];

  test.each(deaths)(
    "%s: nobody who grabs notices, /readyz does, and the next thread writes all of it",
    async (_, die) => {
      await untilWell(service.url);
      const coupon = await newCoupon(service.url, seller, 2_000);
      const saleId = await past.saleIdOf(coupon.name);
      const started = threads.length;
      const storm = crowdAsks(() => [service.url], coupon, await mintCustomers(1_500));
      await until("a part to be sold", async () => (await past.grantedInRedis(saleId)) > 200);
      die();
      await until("/readyz to notice", async () => (await readiness()) === "degraded");
      const told = await storm;
      expect(told.answers).not.toContain("lost");
      await untilBooksAgree(past, coupon, 2_000, told);
      await untilWell(service.url);
      expect(threads.length).toBe(started + 1);
      expect(await counted("doorbuster_ledger_thread_restarts")).toBe(threads.length - 1);
    },
  );
});

test("a process that is killed after COMMIT, before it hears of it: the next one writes nothing twice", async () => {
  await service.stop(0);
  const mysql = await linkTo(settings.DATABASE_URL);
  const doomed = await startApi({ ...settings, DATABASE_URL: mysql.url });
  const coupon = await newCoupon(doomed.url, seller, 200);
  const { sale, ledger } = saleKeys(await past.saleIdOf(coupon.name));
  mysql.proxy.slow(200);
  const before = await crowdAsks(() => [doomed.url], coupon, await mintCustomers(60));
  await until("rows", async () => {
    return (await past.rowsOf(await past.saleIdOf(coupon.name))).length > 0;
  });
  await doomed.end("SIGKILL");
  // Redis has not been told, so the process had not heard; the entries are still there for the next one.
  expect(await past.redis.hget(sale, "recorded")).toBe("0");
  expect(await past.redis.xlen(ledger)).toBeGreaterThan(0);
  const next = await startApi(settings);
  const after = await crowdAsks(() => [next.url], coupon, await mintCustomers(60));
  await untilBooksAgree(past, coupon, 200, before, after);
  expect(await past.db.$count(deadLetters)).toBe(0);
  expect(await next.end("SIGTERM")).toBe(0);
});

test("entries that cannot be written are buried with an alarm, and everybody else's grants around them are rows", async () => {
  const api = await startApi(settings);
  const coupon = await newCoupon(api.url, seller, 200);
  const saleId = await past.saleIdOf(coupon.name);
  const { ledger } = saleKeys(saleId);
  const poison = (fields: Record<string, string>) =>
    past.redis.xadd(ledger, "*", ...Object.entries({ ...SOUND, ...fields }).flat());
  const lagging = () => counted("doorbuster_ledger_lag_seconds", api.opsUrl);

  const before = await crowdAsks(() => [api.url], coupon, await mintCustomers(50));
  await poison({ sale: String(saleId), first: "not a number" });
  await poison({ sale: String(saleId + 16_000) });
  await poison({ sale: String(saleId), first: "1", users: `77:1:${"k".repeat(500)}` });
  await past.redis.xadd(ledger, "*", "rubbish", "x");
  const after = await crowdAsks(() => [api.url], coupon, await mintCustomers(50));
  await untilBooksAgree(past, coupon, 200, before, after);
  const letters = await lettersOf(past.db, shardOf(saleId));
  expect(letters).toHaveLength(4);
  await until("the alarm, and no lag", async () => {
    const alarms = await counted("doorbuster_ledger_dead_letters_total", api.opsUrl);
    return alarms === 4 && (await lagging()) === 0;
  });
  expect(api.output()).toContain("entries went to dead_letters");
  expect(await api.end("SIGTERM")).toBe(0);
});

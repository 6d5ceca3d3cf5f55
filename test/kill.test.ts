// Processes that are killed or stopped in the middle of what they do, with real signals. Whatever was
// confirmed has its row, once; whoever was not answered finds out by asking again.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { openConnection } from "../src/db/client.ts";
import { shards } from "../src/ledger/table.ts";
import { shardOf } from "../src/redis/keys.ts";
import { sales } from "../src/sales/table.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import {
  grab,
  inParallel,
  mintCustomers,
  newCoupon,
  newUser,
  type TestCoupon,
  type TestUser,
  tally,
  untilWell,
} from "./harness/http.ts";
import { startStores, stopEverything } from "./harness/servers.ts";
import { assertRows, type Behind, behind } from "./harness/service.ts";
import { until } from "./harness/until.ts";

let settings: { REDIS_URL: string; DATABASE_URL: string; RATE_LIMITS: string };
let past: Behind;
let apis: TestApi[];
let seller: TestUser;

beforeAll(async () => {
  ({ settings } = await startStores({ RATE_LIMITS: "off" }));
  apis = [await startApi(settings), await startApi(settings)];
  past = await behind(settings);
  seller = await newUser(urlOf(0), "seller");
});
afterAll(stopEverything);

const urlOf = (which: number): string => apis[which % apis.length]?.url ?? "";
const api = (which: number): TestApi => {
  const found = apis[which];
  if (!found) throw new Error("no such process");
  return found;
};

/** Grabs, on one process after the other, until the outcome is definite; what an impatient user does. */
const grabSurely = (coupon: TestCoupon, token: string, first: number): Promise<string> => {
  let which = first;
  return until("a definite answer", async () => {
    const outcome = await grab(urlOf(which++), coupon, token);
    if (outcome === "503") throw new Error(outcome);
    return outcome;
  });
};

const rowsAre = (coupon: TestCoupon, count: number) =>
  until(`${count} rows`, async () => {
    const rows = await past.rowsOf(await past.saleIdOf(coupon.name));
    assertRows(rows, count);
    return rows;
  });

test("kill -9 in mid-load, three times: rows are what was confirmed, and all units are sold", async () => {
  const coupon = await newCoupon(urlOf(0), seller, 2_000);
  const saleId = await past.saleIdOf(coupon.name);
  const crowd = await mintCustomers(2_500);
  const storm = inParallel(crowd, 32, ({ token }, index) => grabSurely(coupon, token, index));
  for (const [which, share] of [
    [0, 200],
    [1, 800],
    [0, 1_400],
  ] as const) {
    await until(`${share} grants`, async () => (await past.grantedInRedis(saleId)) >= share);
    await api(which).end("SIGKILL");
    apis[which] = await startApi(settings, { ready: false });
  }
  const outcomes = await storm;
  const { won = 0, repeated = 0, sold_out } = tally(outcomes);
  expect([won + repeated, sold_out]).toEqual([2_000, 500]);
  const winners = crowd.filter((_, i) => outcomes[i] === "won" || outcomes[i] === "repeated");
  const rows = await rowsAre(coupon, 2_000);
  expect(new Set(rows.map(({ user }) => user))).toEqual(new Set(winners.map(({ id }) => id)));
});

/** Grabs whose rows are in a transaction that waits in the middle, while `meanwhile` runs. */
async function inMidBatch(meanwhile: (owner: number) => Promise<void>): Promise<TestCoupon> {
  // The test before has started one of them again.
  await Promise.all(apis.map(({ url }) => untilWell(url)));
  const coupon = await newCoupon(urlOf(0), seller, 100);
  const saleId = await past.saleIdOf(coupon.name);
  const observer = await openConnection(settings.DATABASE_URL);
  const holder = await openConnection(settings.DATABASE_URL);
  try {
    const owner = await ownerOf(saleId);
    await holder.db.transaction(async (tx) => {
      await tx.select().from(sales).where(eq(sales.id, saleId)).for("update");
      const crowd = await mintCustomers(60);
      const outcomes = await inParallel(crowd, 16, ({ token }, i) => grab(urlOf(i), coupon, token));
      expect(tally(outcomes)).toEqual({ won: 60 });
      await until("the batch to wait for the sale's counters", async () => {
        const [rows] = await observer.db.execute(
          "SELECT id FROM information_schema.processlist WHERE info LIKE 'update `sales`%'",
        );
        return (rows as unknown as unknown[]).length > 0;
      });
      await meanwhile(owner);
    });
  } finally {
    await Promise.all([observer.close(), holder.close()]);
  }
  return coupon;
}

/** Which of the processes writes the shard of this sale. */
const ownerOf = (saleId: number): Promise<number> =>
  until("an owner", async () => {
    const [row] = await past.db
      .select()
      .from(shards)
      .where(eq(shards.shard, shardOf(saleId)));
    const found = apis.findIndex(({ pid }) => row?.leaseOwner?.includes(`-${pid}-`));
    if (found < 0) throw new Error(String(row?.leaseOwner));
    return [found];
  }).then(([found]) => found ?? 0);

test("kill -9 in the middle of a batch: none of it is written, then all of it, by somebody else", async () => {
  const coupon = await inMidBatch(async (owner) => {
    await api(owner).end("SIGKILL");
    apis[owner] = await startApi(settings, { ready: false });
  });
  await rowsAre(coupon, 60);
});

test("a process that stands still in the middle of a batch loses its shards, and writes nothing when it goes on", async () => {
  let stopped = 0;
  const coupon = await inMidBatch(async (owner) => {
    stopped = owner;
    process.kill(api(owner).pid, "SIGSTOP");
  });
  try {
    await rowsAre(coupon, 60);
    const other = (stopped + 1) % 2;
    const saleId = await past.saleIdOf(coupon.name);
    expect(await ownerOf(saleId)).toBe(other);
  } finally {
    process.kill(api(stopped).pid, "SIGCONT");
  }
  const late = await mintCustomers(40);
  const outcomes = await inParallel(late, 8, ({ token }) => grabSurely(coupon, token, stopped));
  expect(outcomes.every((outcome) => outcome === "won" || outcome === "repeated")).toBe(true);
  await rowsAre(coupon, 100);
});

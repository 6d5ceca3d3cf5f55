// MySQL goes away, dies in the middle of a transaction, answers late or not at all, and prefers somebody else in a
// deadlock. Grabs go on meanwhile, and each of them is a row, once, when it is over.

import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { openConnection } from "../../src/db/client.ts";
import { deadLetters, grants, shards } from "../../src/ledger/table.ts";
import { capturePositionKey, shardKeys, shardOf } from "../../src/redis/keys.ts";
import { sales } from "../../src/sales/table.ts";
import { startApi, type TestApi } from "../harness/api.ts";
import {
  call,
  freshName,
  inParallel,
  mintCustomers,
  newCoupon,
  newUser,
  type TestUser,
  tally,
  untilWell,
} from "../harness/http.ts";
import { type Link, linkTo } from "../harness/links.ts";
import { releaseWith } from "../harness/release.ts";
import { startMysql, startRedis, stopEverything } from "../harness/servers.ts";
import { type Behind, behind } from "../harness/service.ts";
import { attempt, crowdAsks, untilBooksAgree } from "../harness/told.ts";
import { until } from "../harness/until.ts";

const BACKLOG_MAX = 100;

let mysql: Awaited<ReturnType<typeof startMysql>>;
let link: Link;
let api: TestApi;
let past: Behind;
let seller: TestUser;

beforeAll(async () => {
  const [redis, server] = await Promise.all([startRedis(), startMysql()]);
  mysql = server;
  link = await linkTo(mysql.url);
  const small = releaseWith([
    "src/limits/ledger.ts",
    "backlogGrantsMax: 2_000_000",
    `backlogGrantsMax: ${BACKLOG_MAX}`,
  ]);
  const settings = { REDIS_URL: redis.url, DATABASE_URL: link.url, RATE_LIMITS: "off" };
  api = await startApi(settings, { folder: small });
  past = await behind({ ...settings, DATABASE_URL: mysql.url });
  seller = await newUser(api.url, "seller");
});
beforeEach(async () => {
  link.proxy.heal();
  await untilWell(api.url);
  // What reads the binlog without a position has all caches emptied; without MySQL they would stay empty.
  await until("a position", async () => (await past.redis.exists(capturePositionKey)) === 1);
});
afterAll(stopEverything);

const ask = async (coupon: Parameters<typeof crowdAsks>[1], count: number) =>
  crowdAsks(() => [api.url], coupon, await mintCustomers(count));

const retries = async (): Promise<number> => {
  const { text } = await call(`GET ${api.opsUrl}/metrics`);
  return Number(/^doorbuster_ledger_retries_total (\d+)$/m.exec(text)?.[1]);
};

test("MySQL away until the backlog is full: grabs go on up to the bound, then 503, and all is written at the end", async () => {
  const coupon = await newCoupon(api.url, seller, 300);
  const saleId = await past.saleIdOf(coupon.name);
  const before = await ask(coupon, 20);
  await untilBooksAgree(past, coupon, 300, before);
  link.proxy.cut();
  const crowd = await mintCustomers(150);
  const answers = await inParallel(crowd, 32, (one) => attempt(api.url, coupon, one));
  expect(tally(answers)).toEqual({ won: BACKLOG_MAX, "503": 50 });
  const refused = await call(`PATCH ${api.url}${coupon.path}`, {
    token: crowd[answers.indexOf("503")]?.token,
  });
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
  expect(await past.redis.xlen(shardKeys(shardOf(saleId)).ledger)).toBeLessThanOrEqual(
    BACKLOG_MAX + 1,
  );
  const person = { username: freshName("somebody"), password: "a pass word", kind: "customer" };
  for (const where of ["/api/users", "/api/auth"]) {
    const answer = await call(`POST ${api.url}${where}`, { body: person });
    expect([where, answer.status, answer.headers.get("retry-after")]).toEqual([where, 503, "1"]);
  }
  link.proxy.heal();
  const told = await crowdAsks(() => [api.url], coupon, crowd);
  expect(tally([...told.outcomes.values()])).toEqual({ repeated: BACKLOG_MAX, won: 50 });
  await untilBooksAgree(past, coupon, 300, before, told);
});

const DELAY_MS = 150;

/** Grabs whose transaction is under way on a slow link, until `reached` says that it has come so far. */
async function inTransaction(reached: (saleId: number) => Promise<boolean>) {
  const coupon = await newCoupon(api.url, seller, 200);
  const saleId = await past.saleIdOf(coupon.name);
  const first = await ask(coupon, 1);
  await untilBooksAgree(past, coupon, 200, first);
  link.proxy.slow(DELAY_MS);
  const told = await ask(coupon, 40);
  await until("the moment", () => reached(saleId));
  return { coupon, told: [first, told] };
}

/** Rows are written, and only those see them who look at what is not committed. */
const isOpen = async (saleId: number): Promise<boolean> => {
  const written = await past.db.transaction((tx) => tx.$count(grants, eq(grants.saleId, saleId)), {
    isolationLevel: "read uncommitted",
  });
  return written > 1 && !(await isCommitted(saleId));
};

/** The COMMIT is done, and the answer to it is still on its way. */
const isCommitted = async (saleId: number): Promise<boolean> =>
  (await past.rowsOf(saleId)).length > 1;

test.each([
  ["with the transaction open", isOpen],
  ["with the answer to COMMIT on its way", isCommitted],
] as const)(
  "MySQL is killed %s: every grab is a row once it is back, and only once",
  async (_, moment) => {
    const { coupon, told } = await inTransaction(moment);
    await mysql.process.kill("SIGKILL");
    link.proxy.heal();
    told.push(await ask(coupon, 40));
    await mysql.process.start();
    await untilBooksAgree(past, coupon, 200, ...told);
    expect(await past.db.$count(deadLetters)).toBe(0);
  },
);

test.each([
  ["with the transaction open", isOpen],
  ["with the answer to COMMIT on its way", isCommitted],
] as const)(
  "a connection that is lost %s: the cursor tells what was written",
  async (_, moment) => {
    const before = await retries();
    const { coupon, told } = await inTransaction(moment);
    link.proxy.reset();
    link.proxy.heal();
    told.push(await ask(coupon, 40));
    await untilBooksAgree(past, coupon, 200, ...told);
    expect(await retries()).toBeGreaterThan(before);
    expect(await past.db.$count(deadLetters)).toBe(0);
  },
);

test("a deadlock that the ledger loses: the whole batch is written by the next try, and nothing is buried", async () => {
  const coupon = await newCoupon(api.url, seller, 100);
  const saleId = await past.saleIdOf(coupon.name);
  const before = await retries();
  const rival = await openConnection(mysql.url);
  try {
    const told = await rival.db
      .transaction(async (tx) => {
        // The server gives up the transaction that has changed less.
        await tx.insert(deadLetters).values(
          Array.from({ length: 2_000 }, (_, i) => ({
            ...{ shard: 0, entryId: "0-0", saleId: 0, grantNo: i, reason: "", payload: "" },
          })),
        );
        await tx.select().from(sales).where(eq(sales.id, saleId)).for("update");
        const crowd = await ask(coupon, 40);
        await until("the ledger to wait for the sale's row", async () => {
          const [rows] = await past.db.execute(
            "SELECT id FROM information_schema.processlist WHERE info LIKE 'update `sales`%'",
          );
          return (rows as unknown as unknown[]).length > 0;
        });
        // The ledger has locked this row, and waits for ours.
        await tx
          .select()
          .from(shards)
          .where(eq(shards.shard, shardOf(saleId)))
          .for("update");
        throw Object.assign(new Error("enough"), { crowd });
      })
      .catch((error: Error & { crowd?: Awaited<ReturnType<typeof ask>> }) => {
        if (!error.crowd) throw error;
        return error.crowd;
      });
    await untilBooksAgree(past, coupon, 100, told);
  } finally {
    await rival.close();
  }
  expect(await retries()).toBeGreaterThan(before);
  expect(await past.db.$count(deadLetters)).toBe(0);
});

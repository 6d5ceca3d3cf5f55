// Redis is killed while two processes serve a crowd (B13, B14), and loses its last second together with a process
// that had confirmed some of it (B15). Over HTTP, with processes that are really killed.

import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { asc, desc, eq } from "drizzle-orm";
import type { Durability } from "../../src/config.ts";
import type { RedisServer } from "../../src/embedded/redis.ts";
import { grants, recoveries, shards } from "../../src/ledger/table.ts";
import { shardOf } from "../../src/redis/keys.ts";
import { cutTail, lastIncrement, sizeOf } from "../harness/aof.ts";
import { startApi, type TestApi } from "../harness/api.ts";
import { list, mintCustomers, newCoupon, newUser, type TestUser, tally } from "../harness/http.ts";
import { freshDatabase, startRedis, stopEverything } from "../harness/servers.ts";
import { type Behind, behind } from "../harness/service.ts";
import { crowdAsks, untilBooksAgree } from "../harness/told.ts";
import { until } from "../harness/until.ts";

interface Rig {
  readonly redis: RedisServer;
  readonly past: Behind;
  apis: [TestApi, TestApi];
  readonly seller: TestUser;
  start(): Promise<TestApi>;
}

async function startRig(durability: Durability): Promise<Rig> {
  const [redis, database] = await Promise.all([startRedis({ durability }), freshDatabase()]);
  const settings = {
    ...{ REDIS_URL: redis.url, DATABASE_URL: database.url },
    ...{ DURABILITY: durability, RATE_LIMITS: "off" },
  };
  const start = () => startApi(settings);
  const apis = await Promise.all([start(), start()]);
  const past = await behind(settings);
  return { redis, past, apis, seller: await newUser(apis[0].url, "seller"), start };
}

afterAll(stopEverything);

test.each(["fast", "durable"] as const)(
  "in %s mode a killed Redis keeps what it has answered; lists go on, and the rest is sold",
  async (durability) => {
    const { redis, past, apis, seller } = await startRig(durability);
    const urls = apis.map(({ url }) => url);
    const coupon = await newCoupon(urls[0] ?? "", seller, 1_000);
    const saleId = await past.saleIdOf(coupon.name);
    const storm = crowdAsks(() => urls, coupon, await mintCustomers(1_200));
    await until("some grants", async () => (await past.grantedInRedis(saleId)) >= 200);
    await redis.process.kill("SIGKILL");
    for (const url of urls) {
      expect(await list(url, seller.username, seller.token)).toMatchObject([{ amount: 1_000 }]);
    }
    await redis.process.start();
    const told = await storm;
    expect(new Set(told.answers)).toContain("503");
    const { won = 0, repeated = 0, sold_out } = tally([...told.outcomes.values()]);
    expect([won + repeated, sold_out]).toEqual([1_000, 200]);
    await untilBooksAgree(past, coupon, 1_000, told);
    await Promise.all(apis.map((api) => api.end("SIGKILL")));
  },
);

describe("in fast mode the last second is lost together with who has confirmed it", () => {
  let rig: Rig;
  beforeEach(async () => {
    rig = await startRig("fast");
  });

  /** Ten units that only the first process has confirmed, then five by the second, none of them in MySQL. */
  async function soldBehindMysql(total: number) {
    const { past, apis, seller, redis } = rig;
    const coupon = await newCoupon(apis[0].url, seller, total);
    const saleId = await past.saleIdOf(coupon.name);
    const ask = async (api: TestApi, count: number) =>
      crowdAsks(() => [api.url], coupon, await mintCustomers(count));
    const before = [await ask(apis[0], 15), await ask(apis[1], 15)];
    await untilBooksAgree(past, coupon, total, ...before);
    await stopWriting(saleId);
    const file = await lastIncrement(past.redis);
    const synced = sizeOf(file);
    const doomed = await mintCustomers(10);
    const byFirst = await crowdAsks(() => [apis[0].url], coupon, doomed);
    const bySecond = await ask(apis[1], 5);
    expect(tally([...byFirst.outcomes.values(), ...bySecond.outcomes.values()])).toEqual({
      won: 15,
    });
    const loseTail = async () => {
      await redis.process.kill("SIGKILL");
      cutTail(file, synced, "between");
      await redis.process.start();
    };
    return { coupon, saleId, doomed, before, bySecond, loseTail };
  }

  /** Nobody writes this sale's shard until a recovery takes it over. */
  async function stopWriting(saleId: number): Promise<void> {
    const shard = shardOf(saleId);
    await rig.past.db
      .update(shards)
      .set({ leaseOwner: "somebody else", leaseUntil: new Date(Date.now() + 3_600_000) })
      .where(eq(shards.shard, shard));
    await until("the writer to let go", async () => {
      const held = await Promise.all(rig.apis.map((api) => leaseHeld(api, shard)));
      return !held.includes(true);
    });
  }

  const rowsOf = (saleId: number) =>
    rig.past.db
      .select({ number: grants.grantNo, user: grants.userId, state: grants.state })
      .from(grants)
      .where(eq(grants.saleId, saleId))
      .orderBy(asc(grants.grantNo));

  test("numbers that nobody knows are void and reported, and their units are sold again", async () => {
    const { past, apis } = rig;
    const { coupon, saleId, doomed, before, bySecond, loseTail } = await soldBehindMysql(60);
    await apis[0].end("SIGKILL");
    await loseTail();
    const others = [...doomed, ...(await mintCustomers(30))];
    const after = await crowdAsks(() => [apis[1].url], coupon, others);
    expect(tally([...after.outcomes.values()])).toEqual({ won: 25, sold_out: 15 });

    const rows = await until("all rows", async () => {
      const found = await rowsOf(saleId);
      return found.length === 70 ? found : Promise.reject(new Error(`${found.length} rows`));
    });
    expect(rows.map(({ number }) => number)).toEqual(rows.map((_, i) => i + 1));
    const voids = rows.filter(({ state }) => state === "void").map(({ number }) => number);
    expect(voids).toEqual([31, 32, 33, 34, 35, 36, 37, 38, 39, 40]);
    const winners = rows.filter(({ state }) => state === "granted").map(({ user }) => user);
    const confirmed = [...before, bySecond, after].flatMap(({ outcomes }) =>
      [...outcomes].flatMap(([id, outcome]) => (outcome === "won" ? [id] : [])),
    );
    expect(new Set(winners)).toEqual(new Set(confirmed));
    expect(winners).toHaveLength(confirmed.length);

    const [recovery] = await past.db.select().from(recoveries).orderBy(desc(recoveries.voids));
    expect(recovery).toMatchObject({
      ...{ shard: shardOf(saleId), grantsRestored: 5, voids: 10, unheard: 1 },
    });
    expect(apis[1].output()).toContain('"first":31,"last":40,"count":10,"msg":"numbers are void"');
    const metrics = await (await fetch(`${apis[1].opsUrl}/metrics`)).text();
    expect(metrics).toContain("doorbuster_ledger_void_numbers_total 10");
    await until("the operations view to tell", async () => (await detailsOf(apis[1])).voids === 10);
  });

  test("when nobody is left who knows, the units are sold again, and never one too many", async () => {
    const { past, apis } = rig;
    const { coupon, saleId, doomed, before, loseTail } = await soldBehindMysql(50);
    await Promise.all(apis.map((api) => api.end("SIGKILL")));
    await loseTail();
    rig.apis = await Promise.all([rig.start(), rig.start()]);
    const others = [...doomed, ...(await mintCustomers(30))];
    const after = await crowdAsks(() => rig.apis.map(({ url }) => url), coupon, others);
    expect(tally([...after.outcomes.values()])).toEqual({ won: 20, sold_out: 20 });
    await untilBooksAgree(past, coupon, 50, ...before, after);
    expect((await rowsOf(saleId)).every(({ state }) => state === "granted")).toBe(true);
    const [recovery] = await past.db
      .select()
      .from(recoveries)
      .where(eq(recoveries.shard, shardOf(saleId)))
      .orderBy(desc(recoveries.id));
    expect(recovery?.voids).toBe(0);
    expect(recovery?.unheard).toBeGreaterThanOrEqual(2);
  });
});

interface Details {
  readonly voids: number;
  readonly shards: readonly { leaseHeld: boolean }[];
}

const detailsOf = async ({ opsUrl }: TestApi) =>
  (await (await fetch(`${opsUrl}/readyz`)).json()) as Details;

const leaseHeld = async (api: TestApi, shard: number) =>
  (await detailsOf(api)).shards[shard]?.leaseHeld ?? true;

// Sales by name, their making and the sellers' lists, on real servers.

import { afterAll, beforeAll, expect, spyOn, test } from "bun:test";
import { eq } from "drizzle-orm";
import { EVERYTHING } from "../src/cache/changes.ts";
import { announce } from "../src/cache/shared.ts";
import { limits } from "../src/limits.ts";
import { saleKeys } from "../src/redis/keys.ts";
import { sales } from "../src/sales/table.ts";
import { templates } from "../src/templates/table.ts";
import {
  freshId,
  grantInRedis,
  makeSale,
  type Reads,
  recordInMysql,
  type Servers,
  startReads,
  startServers,
  startWithoutRedis,
} from "./harness/reads.ts";
import { stopEverything } from "./harness/servers.ts";

let servers: Servers;
let a: Reads;
let b: Reads;

beforeAll(async () => {
  servers = await startServers();
  [a, b] = await Promise.all([startReads(servers), startReads(servers)]);
});
afterAll(stopEverything);

type Line = { name: string; stock: number; description: string; amount: number; left: number };

async function sellerLines(on: Reads, sellerId: number, page = 1): Promise<Line[]> {
  const text = await on.sales.sellerPage(sellerId, page);
  return text === "" ? [] : (JSON.parse(text) as Line[]);
}

test("a sale is found on every process right after it was made, also where it was just missing", async () => {
  const sellerId = freshId();
  expect(await b.sales.find(String(sellerId), "breakfast")).toBeUndefined();
  const sale = await makeSale(a, { sellerId, name: "breakfast" });
  expect(await b.sales.find(String(sellerId), "breakfast")).toEqual({ id: sale.id });
  expect(b.sales.peek(String(sellerId), "breakfast")).toEqual({ id: sale.id });
  expect(a.sales.peek(String(sellerId), "breakfast")).toEqual({ id: sale.id });
});

test("a sale that is known needs neither Redis nor MySQL, and one in Redis needs no MySQL", async () => {
  const sale = await makeSale(a);
  const before = b.queries();
  expect(await b.sales.find(String(sale.sellerId), sale.name)).toEqual({ id: sale.id });
  expect(b.queries()).toBe(before);
  const lonely = await startWithoutRedis(servers);
  expect(await lonely.sales.find(String(sale.sellerId), sale.name)).toEqual({ id: sale.id });
});

test("names are exact, and each seller has names of its own", async () => {
  const [one, two] = [freshId(), freshId()];
  const made = await makeSale(a, { sellerId: one, name: "Été" });
  const other = await makeSale(a, { sellerId: two, name: "Été" });
  expect(other.id).not.toBe(made.id);
  for (const near of ["été", "Été ", "Ete", "E\u0301te\u0301"]) {
    expect(await b.sales.find(String(one), near)).toBeUndefined();
    await makeSale(a, { sellerId: one, name: near });
  }
  expect((await b.sales.find(String(two), "Été"))?.id).toBe(other.id);
});

test("a second sale of the same name is refused and leaves nothing behind", async () => {
  const sale = await makeSale(a);
  const again = { sellerId: sale.sellerId, sellerName: String(sale.sellerId), name: sale.name };
  const outcomes = await Promise.all(
    [a, b, a, b].map((on) =>
      on.sales.create({ ...again, amount: 5, faceValue: 1, description: "other" }),
    ),
  );
  expect(outcomes).toEqual(outcomes.map(() => ({ kind: "duplicate" })));
  const kept = await a.pool.db
    .select()
    .from(templates)
    .where(eq(templates.sellerId, sale.sellerId));
  expect(kept).toHaveLength(1);
});

test("while no sale can be warmed none is made", async () => {
  const closed = await startReads(servers);
  closed.warmer.available = () => false;
  const sellerId = freshId();
  const input = { sellerId, sellerName: String(sellerId), name: "x", amount: 1, faceValue: 1 };
  expect(await closed.sales.create({ ...input, description: "" })).toEqual({ kind: "unavailable" });
  expect(await a.pool.db.select().from(sales).where(eq(sales.sellerId, sellerId))).toEqual([]);
});

test("a sale whose making met an outage of Redis after COMMIT is made, listed and found", async () => {
  const struck = await startReads(servers);
  struck.warmer.warm = async () => {
    struck.redis.disconnect();
    return "later";
  };
  const sale = await makeSale(struck);
  for (const on of [struck, b]) {
    expect(await on.sales.find(String(sale.sellerId), sale.name)).toEqual({ id: sale.id });
    expect(await sellerLines(on, sale.sellerId)).toMatchObject([{ name: sale.name, left: 100 }]);
  }
  const repeat = { ...sale, sellerName: String(sale.sellerId), amount: 100 };
  expect(await b.sales.create(repeat)).toEqual({ kind: "duplicate" });
});

test("a seller's list is newest first, 20 a page, and empty text beyond the end", async () => {
  const sellerId = freshId();
  expect(await a.sales.sellerPage(sellerId, 1)).toBe("");
  for (let n = 1; n <= 45; n += 1) await makeSale(a, { sellerId, name: `n${n}` });
  const names = (await Promise.all([1, 2, 3].map((page) => sellerLines(b, sellerId, page)))).map(
    (lines) => lines.map(({ name }) => name),
  );
  expect(names.map(({ length }) => length)).toEqual([20, 20, 5]);
  expect(names.flat()).toEqual(Array.from({ length: 45 }, (_, n) => `n${45 - n}`));
  expect(await b.sales.sellerPage(sellerId, 4)).toBe("");
  expect(await b.sales.sellerPage(sellerId, limits.listPageMax + 1)).toBe("");
});

test("a new sale is in the list right after its answer on a process that held the page", async () => {
  const sellerId = freshId();
  const made: string[] = [];
  for (let n = 0; n < 25; n += 1) {
    const sale = await makeSale(n % 2 ? a : b, { sellerId });
    made.unshift(sale.name);
    const asked = [a, b, a, b].map((on) => sellerLines(on, sellerId));
    for (const lines of await Promise.all(asked)) {
      expect(lines.map(({ name }) => name)).toEqual(made.slice(0, 20));
    }
  }
});

test("a page is read again when everything may have changed, and what was being read is kept nowhere", async () => {
  const { id, sellerId } = await makeSale(a);
  const everythingChanges = async (name: string) => {
    await a.pool.db.update(sales).set({ name }).where(eq(sales.id, id));
    const heard = new Promise((resolve) => b.levels.onChange(resolve));
    await announce(a.redis, "an operator", EVERYTHING);
    await heard;
  };
  await sellerLines(b, sellerId);
  await everythingChanges("second");
  expect(await sellerLines(b, sellerId)).toMatchObject([{ name: "second" }]);

  // MySQL's next answer is on its way for as long as this test likes.
  const [read, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const { pool } = b.pool;
  const query = pool.query.bind(pool) as (...args: unknown[]) => unknown;
  const late = (...args: unknown[]) => {
    const answer = args.pop() as (...result: unknown[]) => void;
    return query(...args, (...result: unknown[]) => {
      read.resolve();
      void gate.promise.then(() => answer(...result));
    });
  };
  await everythingChanges("third");
  const once = spyOn(pool, "query").mockImplementationOnce(late as typeof pool.query);
  const early = sellerLines(b, sellerId);
  await read.promise;
  once.mockRestore();
  await everythingChanges("fourth");
  expect(await sellerLines(b, sellerId)).toMatchObject([{ name: "fourth" }]);
  gate.resolve();
  expect(await early).toMatchObject([{ name: "third" }]);
  expect(await sellerLines(b, sellerId)).toMatchObject([{ name: "fourth" }]);
});

test("right after a grab one less is left, on every process, however many ask", async () => {
  const sale = await makeSale(a, { amount: 40 });
  const noise = new AbortController();
  const crowd = Promise.all(
    Array.from({ length: 20 }, async (_, n) => {
      while (!noise.signal.aborted) await sellerLines(n % 2 ? a : b, sale.sellerId, 1);
    }),
  );
  for (let left = 39; left >= 0; left -= 1) {
    await grantInRedis(a, sale.id, freshId());
    const seen = await Promise.all([a, b].map((on) => sellerLines(on, sale.sellerId)));
    expect(seen.map(([line]) => line?.left)).toEqual([left, left]);
  }
  noise.abort();
  await crowd;
});

test("a page costs one round trip and no query, however many coupons the seller has", async () => {
  const sellerId = freshId();
  const [template] = await a.pool.db
    .insert(templates)
    .values({ sellerId, name: "t", description: "d", faceValue: 1 })
    .$returningId();
  const many = Array.from({ length: 1_000 }, (_, n) => ({
    ...{ sellerId, templateId: template?.id ?? 0, name: `n${n}`, total: 5 },
    nameKey: n.toString(16).padStart(64, "0"),
  }));
  const ids = await a.pool.db.insert(sales).values(many).$returningId();
  const counters = { state: "open", total: 5, granted: 1, returned: 0, recorded: 1, limit: 1 };
  await Promise.all(ids.map(({ id }) => a.redis.hset(saleKeys(id).sale, counters)));
  await sellerLines(b, sellerId, 7);
  const queries = b.queries();
  const pipelines = spyOn(b.redis, "pipeline");
  expect(await sellerLines(b, sellerId, 7)).toHaveLength(20);
  const trips = pipelines.mock.calls.length;
  pipelines.mockRestore();
  expect([trips, b.queries() - queries]).toEqual([1, 0]);
});

test("lists go on after Redis has forgotten every script", async () => {
  const sale = await makeSale(a);
  expect(await sellerLines(b, sale.sellerId)).toHaveLength(1);
  await a.redis.script("FLUSH");
  await grantInRedis(a, sale.id, freshId());
  expect(await sellerLines(b, sale.sellerId)).toMatchObject([{ left: 99 }]);
});

test("a sale that Redis does not have counts as MySQL has recorded it", async () => {
  const sellerId = freshId();
  const [lost, kept] = [await makeSale(a, { sellerId }), await makeSale(a, { sellerId })];
  await recordInMysql(a, lost.id, freshId(), 1);
  await grantInRedis(a, kept.id, freshId());
  await a.redis.del(saleKeys(lost.id).sale);
  expect((await sellerLines(b, sellerId)).map(({ left }) => left)).toEqual([99, 99]);
});

test("without Redis a seller's list shows what MySQL has", async () => {
  const sale = await makeSale(a);
  await recordInMysql(a, sale.id, freshId(), 1);
  await grantInRedis(a, sale.id, freshId());
  const lonely = await startWithoutRedis(servers);
  expect(await sellerLines(lonely, sale.sellerId)).toMatchObject([{ amount: 100, left: 99 }]);
  expect(await lonely.sales.sellerPage(freshId(), 1)).toBe("");
});

test("a Redis that hangs holds lists up for two seconds at most, also those of many sellers", async () => {
  const made = await Promise.all(Array.from({ length: 60 }, () => makeSale(a)));
  await servers.redis.process.kill("SIGSTOP");
  try {
    const started = performance.now();
    const lists = await Promise.all(made.map(({ sellerId }) => sellerLines(b, sellerId)));
    expect(lists.map(([line]) => line?.left)).toEqual(made.map(() => 100));
    expect(performance.now() - started).toBeLessThan(2 * limits.redisCommandTimeoutMs + 1_000);
  } finally {
    await servers.redis.process.kill("SIGCONT");
  }
});

test("names and descriptions come back as they were given", async () => {
  const sellerId = freshId();
  const odd = ['"quoted\\"', "</script>", "emoji 🎟️", "\u2028 \u0001", "' OR 1=1; --", " "];
  for (const name of odd) await makeSale(a, { sellerId, name });
  const lonely = await startWithoutRedis(servers);
  for (const on of [a, b, lonely]) {
    const names = (await sellerLines(on, sellerId)).map(({ name }) => name);
    expect(names).toEqual([...odd].reverse());
  }
});

// A customer's own list on real servers, at every moment between a grab and its row.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { and, eq } from "drizzle-orm";
import { grants } from "../src/ledger/table.ts";
import { saleKeys } from "../src/redis/keys.ts";
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
  tellRedis,
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

async function ownNames(on: Reads, userId: number, page = 1): Promise<string[]> {
  const text = await on.wallet.page(String(userId), page);
  return text === "" ? [] : (JSON.parse(text) as { name: string }[]).map(({ name }) => name);
}

test("a grant is in the winner's own list on every process before MySQL has it, and once afterwards", async () => {
  const sale = await makeSale(a);
  const userId = freshId();
  expect(await b.wallet.page(String(userId), 1)).toBe("");
  const number = await grantInRedis(a, sale.id, userId);
  const expected = [{ name: sale.name, stock: 500, description: "five off" }];
  const seen = async () => JSON.parse(await b.wallet.page(String(userId), 1)) as unknown;
  expect(await seen()).toEqual(expected);
  await recordInMysql(a, sale.id, userId, number);
  expect(await seen()).toEqual(expected);
  await tellRedis(a, sale.id);
  expect(await seen()).toEqual(expected);
  expect(await ownNames(b, freshId())).toEqual([]);
});

test("no reading misses a grant that is being recorded meanwhile", async () => {
  const userId = freshId();
  const names: string[] = [];
  let recorded = Promise.resolve();
  for (let n = 0; n < 40; n += 1) {
    const sale = await makeSale(a);
    const number = await grantInRedis(a, sale.id, userId);
    names.unshift(sale.name);
    recorded = recorded
      .then(() => recordInMysql(a, sale.id, userId, number))
      .then(async () => void (await tellRedis(a, sale.id)));
    const pages = await Promise.all(
      [1, 2].flatMap((page) => [a, b].map((on) => ownNames(on, userId, page))),
    );
    expect(pages.slice(0, 2)).toEqual([names.slice(0, 20), names.slice(0, 20)]);
    expect(pages.slice(2)).toEqual([names.slice(20), names.slice(20)]);
  }
  await recorded;
  expect(await ownNames(b, userId, 2)).toEqual(names.slice(20));
});

test("several grants of one sale are listed each, and returned ones are not", async () => {
  const sale = await makeSale(a);
  const userId = freshId();
  const keys = saleKeys(sale.id);
  await a.redis.hset(keys.winners, userId, "3:aa,,5:bb");
  await a.redis.sadd(keys.unrecorded, sale.id);
  expect(await ownNames(b, userId)).toEqual([sale.name, sale.name]);
  await recordInMysql(a, sale.id, userId, 3, 1);
  await recordInMysql(a, sale.id, userId, 4, null);
  await recordInMysql(a, sale.id, userId, 5, 3);
  await tellRedis(a, sale.id);
  expect(await ownNames(b, userId)).toEqual([sale.name, sale.name]);
  await a.pool.db
    .update(grants)
    .set({ userSlot: null })
    .where(and(eq(grants.saleId, sale.id), eq(grants.grantNo, 3)));
  expect(await ownNames(b, userId)).toEqual([sale.name]);
});

test("without Redis a customer's list shows what MySQL has", async () => {
  const [first, second] = [await makeSale(a), await makeSale(a)];
  const userId = freshId();
  await recordInMysql(a, first.id, userId, await grantInRedis(a, first.id, userId));
  await grantInRedis(a, second.id, userId);
  expect(await ownNames(b, userId)).toEqual([second.name, first.name]);
  const lonely = await startWithoutRedis(servers);
  expect(await ownNames(lonely, userId)).toEqual([first.name]);
});

test("many customers' lists share their readings", async () => {
  const sale = await makeSale(a, { amount: 200 });
  const userIds = Array.from({ length: 200 }, freshId);
  for (const userId of userIds) {
    const number = await grantInRedis(a, sale.id, userId);
    if (userId % 2) await recordInMysql(a, sale.id, userId, number);
  }
  const before = b.queries();
  const lists = await Promise.all(userIds.map((userId) => ownNames(b, userId)));
  expect(lists).toEqual(userIds.map(() => [sale.name]));
  expect(b.queries() - before).toBeLessThan(20);
});

// A sale whose hash in Redis somebody has damaged: the process lives, and other sales are served as ever.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { saleKeys, shardOf } from "../src/redis/keys.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import { watchSale } from "./harness/events.ts";
import { list, newUser } from "./harness/http.ts";
import { newSale } from "./harness/sales.ts";
import { makeSale } from "./harness/sellers.ts";
import { startStores, stopEverything } from "./harness/servers.ts";
import { type Behind, behind } from "./harness/service.ts";
import { until } from "./harness/until.ts";
import { v1 } from "./harness/v1.ts";

let api: TestApi;
let past: Behind;

beforeAll(async () => {
  const { settings } = await startStores();
  [api, past] = await Promise.all([startApi(settings), behind(settings)]);
});
afterAll(stopEverything);

const DAMAGE = [
  ["opens", "abc"],
  ["closes", "8640000000000001"],
  ["granted", "1.5"],
  // Words are told apart by spaces where many sales of a shard are read at once.
  ["total", "1 2 3"],
] as const;

test("a sale whose key is of another type costs that sale alone, watched, listed, or in its seller's list", async () => {
  const url = api.url;
  const user = await newUser(url, "saler");
  const token = user.token.replace(/^Bearer /i, "");
  const seller = { id: (await v1(url, "GET /v1/me", { token })).body.id, token };
  const all: number[] = [];
  for (let i = 0; i < 18; i += 1) all.push(await makeSale(url, seller));
  const [brokenId = 0, soundId = 0] =
    [...Map.groupBy(all, shardOf).values()].find(({ length }) => length > 1) ?? [];
  const odd = all.find((id) => shardOf(id) !== shardOf(brokenId)) ?? 0;
  let granted = 4;
  const damage = async () => {
    await past.redis
      .multi()
      .del(saleKeys(brokenId).sale)
      .set(saleKeys(brokenId).sale, "a text")
      .hset(saleKeys(odd).sale, "total", "1 2")
      // What only Redis says: MySQL has no grant.
      .hset(saleKeys(soundId).sale, "granted", granted)
      .exec();
  };
  await damage();
  const broken = await watchSale(url, brokenId);
  const sound = await watchSale(url, soundId);
  await until("the sound sale", () => sound.events[0]?.left === 10 - granted);
  // The first reading may have been of that one alone, those that follow are of both.
  granted = 5;
  await damage();
  await until("its next state", () => sound.events.at(-1)?.left === 10 - granted);
  expect(broken.events).toEqual([]);
  await until("a list with all but two live", async () => {
    // A recovery may have mended them.
    await damage();
    const { status, body } = await v1(url, `GET /v1/sales?sellerId=${seller.id}&limit=100`);
    expect([status, body.items.length]).toEqual([200, all.length]);
    const stored = body.items.filter(({ live }: { live: boolean }) => !live);
    return stored.length === 2;
  });
  const soundLine = all.toReversed().indexOf(soundId);
  await until("its seller's list with the sound sale's live number", async () => {
    await damage();
    const lines = await list(url, user.username, user.token);
    expect(lines.map(({ amount }) => amount)).toEqual(all.map(() => 10));
    return lines.every(({ left }, place) => left === (place === soundLine ? 10 - granted : 10));
  });
});

test("watched sales with broken fields are unavailable, and those behind them in the shard are told", async () => {
  const all = await Promise.all(Array.from({ length: 40 }, () => newSale(past, 5)));
  const pairs = [...Map.groupBy(all, shardOf).values()].filter(({ length }) => length > 1);
  expect(pairs.length).toBeGreaterThanOrEqual(DAMAGE.length);
  await Promise.all(
    DAMAGE.map(async ([field, value], place) => {
      const [brokenId = 0, soundId = 0] = pairs[place] ?? [];
      const damage = () => past.redis.hset(saleKeys(brokenId).sale, field, value);
      await damage();
      const broken = await watchSale(api.url, brokenId);
      const sound = await watchSale(api.url, soundId);
      await until("an unavailable sale", () => broken.names.includes("unavailable"));
      expect([broken.status, broken.ended()]).toEqual([200, undefined]);
      const event = await until("the sound sale", () => sound.events[0]);
      expect([event.total, event.left, event.state]).toEqual([5, 5, "open"]);
      // An audit may have mended it.
      await damage();
      const shown = await until("MySQL's numbers", async () => {
        const { status, body } = await v1(api.url, `GET /v1/sales/${brokenId}`);
        expect(status).toBe(200);
        return body.live ? undefined : body;
      });
      expect([shown.total, shown.left]).toEqual([5, 5]);
      const other = await v1(api.url, `GET /v1/sales/${soundId}`);
      expect([other.status, other.body.live]).toEqual([200, true]);
    }),
  );
  expect((await v1(api.url, "GET /v1/sales?limit=100")).status).toBe(200);
  expect((await fetch(`${api.url}/livez`)).status).toBe(200);
});

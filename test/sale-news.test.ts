// What one process, a recovery or a command finishes of a sale, the others show at once, also without a binlog.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { eq, sql } from "drizzle-orm";
import { openConnection } from "../src/db/client.ts";
import { lockName } from "../src/db/locks.ts";
import type { Redis } from "../src/redis/client.ts";
import { saleKeys } from "../src/redis/keys.ts";
import { type ChangeRequest, createChanges } from "../src/sales/change/changes.ts";
import { pauseSale } from "../src/sales/change/pause.ts";
import { newsThrough } from "../src/sales/news.ts";
import { outbox, sales } from "../src/sales/table.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import { freshName, grab, list, mintCustomer, newUser, type TestUser } from "./harness/http.ts";
import { inMs, makeSale, type Someone } from "./harness/sellers.ts";
import { startStores, stopEverything, stopLater } from "./harness/servers.ts";
import { type Behind, behind } from "./harness/service.ts";
import { until } from "./harness/until.ts";
import { v1 } from "./harness/v1.ts";

const HOUR = 3_600_000;

let past: Behind;
/** Both live on, and have what is asked of them in memory. */
let both: TestApi[];
let user: TestUser;
let seller: Someone;

beforeAll(async () => {
  const { settings } = await startStores({ RATE_LIMITS: "off" });
  // Whoever has this lock reads the binlog, so nobody does.
  const { db, close } = await openConnection(settings.DATABASE_URL);
  stopLater(close);
  await db.execute(sql`SELECT GET_LOCK(${lockName("capture")}, 10)`);
  both = [await startApi(settings), await startApi(settings)];
  past = await behind(settings);
  const { url } = both[0] as TestApi;
  user = await newUser(url, "saler");
  const token = user.token.replace(/^Bearer /i, "");
  seller = { id: (await v1(url, "GET /v1/me", { token })).body.id, token };
});
afterAll(stopEverything);

const urlOf = (place: number): string => both[place]?.url ?? "";
const couponOf = (name: string) => ({
  ...{ name, path: `/api/users/${user.username}/coupons/${name}` },
});

/** How everybody is answered who grabs by this name, process by process. */
const grabbed = (name: string): Promise<string[]> =>
  Promise.all(both.map(async ({ url }) => grab(url, couponOf(name), (await mintCustomer()).token)));

const shown = (id: number) => Promise.all(both.map(({ url }) => v1(url, `GET /v1/sales/${id}`)));

/** A sale that opens later, and that both have in memory by its id and by its name. */
async function knownSale(): Promise<{ id: number; name: string }> {
  const name = freshName("old");
  const id = await makeSale(urlOf(0), seller, { opensAt: inMs(HOUR), name });
  expect((await shown(id)).map(({ body }) => body.name)).toEqual([name, name]);
  expect(await grabbed(name)).toEqual(["not_started", "not_started"]);
  return { id, name };
}

/** A change by a process that dies before Redis has it; `isLeft`: nobody's pass finishes it. */
async function halfMake(
  saleId: number,
  change: Pick<ChangeRequest, "action"> & { fields: object },
  isLeft: boolean,
): Promise<void> {
  const dying = { evalsha: () => Promise.reject(new Error("it died")) } as unknown as Redis;
  const deps = { db: past.db, redis: dying, onUnfit: () => undefined };
  const changes = createChanges({ ...deps, news: newsThrough(dying) });
  const request = { saleId, action: change.action, reason: "", actor: "test", requestKey: null };
  const made = changes.change({ ...request, edit: () => change.fields });
  await expect(made).rejects.toThrow("it died");
  if (!isLeft) return;
  const createdAt = new Date(Date.now() + HOUR);
  await past.db.update(outbox).set({ createdAt }).where(eq(outbox.saleId, saleId));
}

const renaming = (name: string) => ({ action: "change", fields: { name } }) as const;

async function untilRenamed(id: number, from: string, to: string, answer: string): Promise<void> {
  await until("its new name on both", async () =>
    (await shown(id)).every(({ body }) => body.name === to),
  );
  await until("nobody to find it by the old one", async () =>
    (await grabbed(from)).every((word) => word === "not_found"),
  );
  await until("both to find it by the new one", async () =>
    (await grabbed(to)).every((word) => word === answer),
  );
}

test("both show a change that a pause by the service has finished", async () => {
  const { id, name } = await knownSale();
  const renamed = freshName("new");
  await halfMake(id, renaming(renamed), true);
  const epoch = Number(await past.redis.hget(saleKeys(id).gate, "epoch"));
  expect(await pauseSale({ ...past, onUnfit: () => undefined }, id, epoch)).toBe("set");
  await untilRenamed(id, name, renamed, "paused");
});

test("both show a change that a recovery has decided", async () => {
  const { id, name } = await knownSale();
  const renamed = freshName("new");
  await halfMake(id, renaming(renamed), true);
  const { sale, gate } = saleKeys(id);
  const epoch = Number(await past.redis.hget(gate, "epoch"));
  // A sale that was warmed a moment ago may be on its way to Redis.
  const warmedAt = sql`${sales.warmedAt} - INTERVAL 1 HOUR`;
  await past.db.update(sales).set({ warmedAt }).where(eq(sales.id, id));
  await past.redis.del(sale);
  const { token } = await mintCustomer();
  expect((await v1(urlOf(0), `POST /v1/sales/${id}/grab`, { token })).status).toBe(503);
  await until("a recovery", async () => Number(await past.redis.hget(gate, "epoch")) > epoch);
  await untilRenamed(id, name, renamed, "not_started");
});

test("neither shows a sale whose deletion one of them has finished for another", async () => {
  const { id, name } = await knownSale();
  const listed = async (): Promise<boolean[]> => {
    const pages = both.map(({ url }) => list(url, user.username, user.token));
    return (await Promise.all(pages)).map((lines) => lines.some((line) => line.name === name));
  };
  expect(await listed()).toEqual([true, true]);
  await halfMake(id, { action: "delete", fields: { state: "deleted" } }, false);
  await until("the sale to be gone from MySQL", async () => {
    const rows = await past.db.select().from(sales).where(eq(sales.id, id));
    return rows.length === 0;
  });
  await until("nobody to find it", async () => {
    const statuses = (await shown(id)).map(({ status }) => status);
    return statuses.every((status) => status === 404) && !(await listed()).includes(true);
  });
  expect(await grabbed(name)).toEqual(["not_found", "not_found"]);
});

test("a key that an old record of the limit makes no use of is answered 503, and the record is read anew", async () => {
  const id = await makeSale(urlOf(0), seller);
  await shown(id);
  // By hand, so that nobody is told.
  await past.db.update(sales).set({ userLimit: 3 }).where(eq(sales.id, id));
  await past.redis.hset(saleKeys(id).sale, "limit", 3);
  const { token } = await mintCustomer();
  const ask = (place: number, key?: string) =>
    v1(urlOf(place), `POST /v1/sales/${id}/grab`, { token, ...(key && { key }) });
  expect((await ask(0)).body.code).toBe("key_required");
  const first = await ask(0, "a");
  expect([first.status, first.body.code]).toEqual([503, "unavailable"]);
  expect(first.headers.get("retry-after")).toBe("1");
  for (const place of [0, 1]) {
    const key = `of-${place}`;
    await until("a grant", async () => (await ask(place, key)).status === 201);
  }
  expect((await ask(1, "of-0")).body).toMatchObject({ repeated: true });
});

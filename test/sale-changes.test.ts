// A process dies between the two stores, in every kind of change: another one finishes it, whichever store had it, all
// that live show it, and the audit finds nothing.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { eq, inArray, sql } from "drizzle-orm";
import { openConnection } from "../src/db/client.ts";
import { lockName } from "../src/db/locks.ts";
import { idempotencyKeys } from "../src/idempotency/table.ts";
import { saleKeys } from "../src/redis/keys.ts";
import { outbox, saleChanges, sales } from "../src/sales/table.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import { runCli } from "./harness/cli.ts";
import { mintCustomer } from "./harness/http.ts";
import { type Link, linkTo } from "./harness/links.ts";
import { inMs, makeSale, mint, newTemplate, type Someone } from "./harness/sellers.ts";
import { freshDatabase, startRedis, stopEverything, stopLater } from "./harness/servers.ts";
import { type Behind, behind } from "./harness/service.ts";
import { until } from "./harness/until.ts";
import { v1 } from "./harness/v1.ts";

const HOUR = 3_600_000;
/** Slow machines start a process and wait for leases to run out. */
const WITHIN = { withinMs: 60_000 };

let redisUrl: string;
let databaseUrl: string;
let past: Behind;
let seller: Someone;

beforeAll(async () => {
  const [redis, database] = await Promise.all([startRedis(), freshDatabase()]);
  [redisUrl, databaseUrl] = [redis.url, database.url];
  past = await behind({ REDIS_URL: redisUrl, DATABASE_URL: databaseUrl });
  // Whoever has this lock reads the binlog, so nobody does: what a process shows it has been told.
  const { db, close } = await openConnection(databaseUrl);
  stopLater(close);
  await db.execute(sql`SELECT GET_LOCK(${lockName("capture")}, 10)`);
  seller = await mint("seller");
});
afterAll(stopEverything);

interface Kind {
  readonly what: string;
  /** What the sale is before. */
  readonly sale?: object;
  readonly paused?: boolean;
  /** Method, path behind the sale, and body. */
  readonly ask: readonly [method: string, path: string, body?: object];
  /** It is to get a template of its own with the change. */
  readonly moves?: boolean;
  /** What Redis has afterwards; undefined when there is no such sale any more. */
  readonly becomes: Record<string, string> | undefined;
}

const upcoming = { opensAt: inMs(HOUR) };
const closesAt = inMs(2 * HOUR);
const kinds: readonly Kind[] = [
  { what: "raising", ask: ["PATCH", "", { total: 20 }], becomes: { total: "20" } },
  { what: "lowering", ask: ["PATCH", "", { total: 5 }], becomes: { total: "5" } },
  {
    ...{ what: "an end", ask: ["PATCH", "", { closesAt }] },
    becomes: { closes: String(Date.parse(closesAt)) },
  },
  { what: "pausing", ask: ["POST", "/pause"], becomes: { state: "paused" } },
  { what: "resuming", paused: true, ask: ["POST", "/resume"], becomes: { state: "open" } },
  {
    what: "restocking",
    ask: ["POST", "/restock", { units: 5, reason: "more" }],
    becomes: { total: "15" },
  },
  {
    what: "a limit, before it opens",
    sale: upcoming,
    ask: ["PATCH", "", { userLimit: 3, total: 30 }],
    becomes: { limit: "3", total: "30" },
  },
  {
    what: "another name and template, before it opens",
    sale: upcoming,
    moves: true,
    ask: ["PATCH", "", { total: 7 }],
    becomes: { total: "7", state: "open", version: "2" },
  },
  { what: "deleting", sale: upcoming, ask: ["DELETE", ""], becomes: undefined },
];

const settings = (redis: string) => ({
  ...{ REDIS_URL: redis, DATABASE_URL: databaseUrl, RATE_LIMITS: "off" },
});

let templateId: number;
const newPlace = (id: number) => ({ name: `moved ${id}`, templateId });

/** A sale for each kind, of which three units are sold where it is open. */
async function salesOn(api: TestApi): Promise<Map<Kind, number>> {
  const made = new Map<Kind, number>();
  templateId = await newTemplate(api.url, seller);
  for (const kind of kinds) {
    const id = await makeSale(api.url, seller, kind.sale);
    made.set(kind, id);
    for (let i = 0; i < 3 && !kind.sale; i += 1) {
      const { token } = await mintCustomer();
      expect((await v1(api.url, `POST /v1/sales/${id}/grab`, { token })).status).toBe(201);
    }
    const { token } = seller;
    if (kind.paused) await v1(api.url, `POST /v1/sales/${id}/pause`, { token });
  }
  return made;
}

const ask = (api: TestApi, { ask: [method, path, body], moves }: Kind, id: number) =>
  v1(api.url, `${method} /v1/sales/${id}${path}`, {
    token: seller.token,
    ...(body && { body: moves ? { ...body, ...newPlace(id) } : body }),
    ...(method === "POST" && { key: `change-${id}` }),
  });

/** Asks for all changes; who answers is killed meanwhile. */
const askAll = (api: TestApi, made: ReadonlyMap<Kind, number>) =>
  Promise.allSettled([...made].map(([kind, id]) => ask(api, kind, id)));

const waitingFor = async (made: ReadonlyMap<Kind, number>) =>
  (
    await past.db
      .select()
      .from(outbox)
      .where(inArray(outbox.saleId, [...made.values()]))
  ).length;

const shownBy = (api: TestApi, id: number) => v1(api.url, `GET /v1/sales/${id}`);

/** Processes that live on, and have all of these in memory. */
async function witnessesOf(made: ReadonlyMap<Kind, number>, link: Link): Promise<TestApi[]> {
  const apis = await Promise.all([startApi(settings(link.url)), startApi(settings(link.url))]);
  for (const api of apis)
    for (const id of made.values()) expect((await shownBy(api, id)).status).toBe(200);
  return apis;
}

/** Every process shows these as MySQL has them. */
async function expectShown(apis: readonly TestApi[], made: ReadonlyMap<Kind, number>) {
  for (const [kind, id] of made) {
    const [row] = await past.db.select().from(sales).where(eq(sales.id, id));
    const { name, templateId, total, userLimit } = row ?? {};
    for (const [place, api] of apis.entries()) {
      await until(`process ${place} to show ${kind.what}`, async () => {
        const { status, body } = await shownBy(api, id);
        if (!row) return status === 404;
        expect(body).toMatchObject({ name, templateId, total, userLimit, live: true });
        expect(body.closesAt).toBe(row.closesAt?.toISOString() ?? null);
        return true;
      });
    }
  }
}

/** Both stores have what was asked for, once, and agree, and all of these processes show it. */
async function expectWhole(
  apis: readonly TestApi[],
  made: ReadonlyMap<Kind, number>,
): Promise<void> {
  const [api] = apis;
  if (!api) throw new Error("nobody lives");
  await until(
    "an empty outbox",
    async () => (await past.db.select().from(outbox)).length === 0,
    WITHIN,
  );
  for (const [kind, id] of made) {
    const [row] = await past.db.select().from(sales).where(eq(sales.id, id));
    const hash = await past.redis.hgetall(saleKeys(id).sale);
    if (kind.becomes === undefined) {
      expect([kind.what, row, hash]).toEqual([kind.what, undefined, {}]);
      continue;
    }
    expect([kind.what, hash]).toMatchObject([kind.what, kind.becomes]);
    const shown = { total: String(row?.total), state: row?.state, limit: String(row?.userLimit) };
    expect(hash).toMatchObject({ ...shown, version: String(row?.version) });
    const history = await past.db.select().from(saleChanges).where(eq(saleChanges.saleId, id));
    expect(history).toHaveLength(kind.paused || kind.moves ? 3 : 2);
    if (kind.moves) expect(row).toMatchObject(newPlace(id));
    if (kind.what === "restocking") {
      // Who was not answered asks again, with the same key, once the claim of the dead process has run out.
      await past.db.update(idempotencyKeys).set({ busyUntil: new Date(0) });
      const again = await ask(api, kind, id);
      expect([again.status, again.body.total]).toEqual([200, 15]);
    }
  }
  await expectShown(apis, made);
  const audit = await runCli({ redisUrl, databaseUrl }, "audit");
  expect([audit.code, audit.output]).toEqual([0, expect.any(String)]);
}

/** A process that is to die, at a link to Redis that can be broken. */
async function mortalAt() {
  const link = await linkTo(redisUrl);
  return { link, mortal: await startApi(settings(link.url)) };
}

test("killed before Redis had the changes", async () => {
  const { link, mortal } = await mortalAt();
  const made = await salesOn(mortal);
  const living = await witnessesOf(made, link);
  link.proxy.freeze();
  const asked = askAll(mortal, made);
  await until("all in the outbox", async () => (await waitingFor(made)) === kinds.length, WITHIN);
  await mortal.end("SIGKILL");
  await asked;
  for (const [kind, id] of made) {
    const hash = await past.redis.hgetall(saleKeys(id).sale);
    expect([kind.what, hash.version]).toEqual([kind.what, kind.paused ? "1" : undefined]);
  }
  link.proxy.heal();
  await expectWhole(living, made);
}, 120_000);

test("killed when Redis had the changes, before MySQL had all of them", async () => {
  const { link, mortal } = await mortalAt();
  const made = await salesOn(mortal);
  const living = await witnessesOf(made, link);
  const ids = [...made.values()];
  link.proxy.freeze();
  const asked = askAll(mortal, made);
  await until("all in the outbox", async () => (await waitingFor(made)) === kinds.length, WITHIN);
  const { db, close } = await openConnection(databaseUrl);
  // Whoever would finish a change waits for its row.
  await db.transaction(async (tx) => {
    await tx.select().from(sales).where(inArray(sales.id, ids)).for("update");
    link.proxy.heal();
    await until(
      "Redis to have all",
      async () => {
        const versions = await Promise.all(
          [...made].map(async ([kind, id]) => {
            const version = await past.redis.hget(saleKeys(id).sale, "version");
            return version === (kind.paused ? "2" : "1");
          }),
        );
        return !versions.includes(false);
      },
      WITHIN,
    );
    expect(await waitingFor(made)).toBe(kinds.length);
    await mortal.end("SIGKILL");
  });
  await close();
  await asked;
  await expectWhole(living, made);
}, 120_000);

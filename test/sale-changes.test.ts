// A process dies between the two stores, in every kind of change: another one finishes it, whichever store had it,
// and the audit finds nothing.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { eq, inArray } from "drizzle-orm";
import { openConnection } from "../src/db/client.ts";
import { idempotencyKeys } from "../src/idempotency/table.ts";
import { saleKeys } from "../src/redis/keys.ts";
import { outbox, saleChanges, sales } from "../src/sales/table.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import { runCli } from "./harness/cli.ts";
import { mintCustomer } from "./harness/http.ts";
import { linkTo } from "./harness/links.ts";
import { inMs, makeSale, mint, newTemplate, type Someone } from "./harness/sellers.ts";
import { freshDatabase, startRedis, stopEverything } from "./harness/servers.ts";
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
const kinds: readonly Kind[] = [
  { what: "raising", ask: ["PATCH", "", { total: 20 }], becomes: { total: "20" } },
  { what: "lowering", ask: ["PATCH", "", { total: 5 }], becomes: { total: "5" } },
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

/** Both stores have what was asked for, once, and agree. */
async function expectWhole(api: TestApi, made: ReadonlyMap<Kind, number>): Promise<void> {
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
  const audit = await runCli({ redisUrl, databaseUrl }, "audit");
  expect([audit.code, audit.output]).toEqual([0, expect.any(String)]);
}

test("killed before Redis had the changes", async () => {
  const link = await linkTo(redisUrl);
  const mortal = await startApi(settings(link.url));
  const made = await salesOn(mortal);
  link.proxy.freeze();
  const asked = askAll(mortal, made);
  await until("all in the outbox", async () => (await waitingFor(made)) === kinds.length, WITHIN);
  await mortal.end("SIGKILL");
  await asked;
  for (const [kind, id] of made) {
    const hash = await past.redis.hgetall(saleKeys(id).sale);
    expect([kind.what, hash.version]).toEqual([kind.what, kind.paused ? "1" : undefined]);
  }
  await expectWhole(await startApi(settings(redisUrl)), made);
}, 120_000);

test("killed when Redis had the changes, before MySQL had all of them", async () => {
  const link = await linkTo(redisUrl);
  const mortal = await startApi(settings(link.url));
  const made = await salesOn(mortal);
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
  await expectWhole(await startApi(settings(redisUrl)), made);
}, 120_000);

// A process dies between the two stores while it makes a sale or takes one away: there is one sale with its full stock,
// or none, in both.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { eq, sql } from "drizzle-orm";
import { openConnection } from "../src/db/client.ts";
import { idempotencyKeys } from "../src/idempotency/table.ts";
import { saleKeys } from "../src/redis/keys.ts";
import { outbox, sales } from "../src/sales/table.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import { runCli } from "./harness/cli.ts";
import { freshName, mintCustomer } from "./harness/http.ts";
import { type Link, linkTo } from "./harness/links.ts";
import { inMs, makeSale, mint, newTemplate, type Someone } from "./harness/sellers.ts";
import { startStores, stopEverything } from "./harness/servers.ts";
import { type Behind, behind } from "./harness/service.ts";
import { until } from "./harness/until.ts";
import { v1 } from "./harness/v1.ts";

/** Slow machines start a process and wait for leases to run out. */
const WITHIN = { withinMs: 60_000 };

let urls: { REDIS_URL: string; DATABASE_URL: string };
let past: Behind;
let seller: Someone;

beforeAll(async () => {
  ({ settings: urls } = await startStores());
  past = await behind(urls);
  seller = await mint("seller");
});
afterAll(stopEverything);

const start = (redisUrl: string) => startApi({ ...urls, REDIS_URL: redisUrl, RATE_LIMITS: "off" });

/** A process that is to die, at a link to Redis that can be broken. */
async function startMortal(): Promise<{ link: Link; mortal: TestApi }> {
  const link = await linkTo(urls.REDIS_URL);
  return { link, mortal: await start(link.url) };
}

async function expectNoFindings(): Promise<void> {
  const audit = await runCli({ redisUrl: urls.REDIS_URL, databaseUrl: urls.DATABASE_URL }, "audit");
  expect([audit.code, audit.output]).toEqual([0, expect.any(String)]);
}

test("a sale whose maker died after it was claimed and before Redis had it sells its stock once", async () => {
  const { link, mortal } = await startMortal();
  const templateId = await newTemplate(mortal.url, seller);
  const key = freshName("key");
  const body = { templateId, name: freshName("sale"), total: 3 };
  const make = ({ url }: TestApi) => v1(url, "POST /v1/sales", { token: seller.token, body, key });
  link.proxy.freeze();
  const asked = Promise.allSettled([make(mortal)]);
  const { id } = await until("the claim", async () => {
    const [row] = await past.db.select().from(sales).where(eq(sales.templateId, templateId));
    return row?.warmedAt && row;
  });
  await mortal.end("SIGKILL");
  await asked;
  expect(await past.redis.exists(saleKeys(id).sale)).toBe(0);

  const api = await start(urls.REDIS_URL);
  const grab = async () => {
    const { token } = await mintCustomer();
    const ask = async () => {
      const answer = await v1(api.url, `POST /v1/sales/${id}/grab`, { token });
      return answer.status === 503 ? undefined : answer.status;
    };
    return until("an answer", ask, WITHIN);
  };
  expect([await grab(), await grab(), await grab(), await grab()]).toEqual([201, 201, 201, 409]);
  await past.db.update(idempotencyKeys).set({ busyUntil: new Date(0) });
  const again = await make(api);
  expect([again.status, again.body.id]).toEqual([201, id]);
  await until("the rows", async () => (await past.rowsOf(id)).length === 3);
  await expectNoFindings();
  await api.end("SIGTERM");
}, 120_000);

test("a sale whose deleter died when MySQL had no such sale any more is gone from Redis too", async () => {
  const { link, mortal } = await startMortal();
  const id = await makeSale(mortal.url, seller, { opensAt: inMs(3_600_000) });
  const waiting = async () =>
    (await past.db.select().from(outbox).where(eq(outbox.saleId, id))).length;
  link.proxy.freeze();
  const { token } = seller;
  const asked = Promise.allSettled([v1(mortal.url, `DELETE /v1/sales/${id}`, { token })]);
  await until("it in the outbox", async () => (await waiting()) === 1);
  const { db, close } = await openConnection(urls.DATABASE_URL);
  // Whoever would finish it waits for the row, and then finds Redis frozen again.
  await db.transaction(async (tx) => {
    await tx.select().from(sales).where(eq(sales.id, id)).for("update");
    link.proxy.heal();
    await until("Redis to have it", async () => {
      return (await past.redis.hget(saleKeys(id).sale, "state")) === "deleted";
    });
    await until("it to wait for the row", async () => {
      const [rows] = await past.db.execute(sql`SHOW FULL PROCESSLIST`);
      const running = rows as unknown as { Info: string | null }[];
      return running.some(({ Info }) => /^select .* from `sales` .* for update$/.test(Info ?? ""));
    });
    link.proxy.freeze();
  });
  await close();
  await until("MySQL to have none", async () => {
    return (await past.db.select().from(sales).where(eq(sales.id, id))).length === 0;
  });
  await mortal.end("SIGKILL");
  await asked;
  expect([await waiting(), await past.redis.exists(saleKeys(id).sale)]).toEqual([1, 1]);

  const api = await start(urls.REDIS_URL);
  await until("an empty outbox", async () => (await waiting()) === 0, WITHIN);
  expect(await past.redis.exists(saleKeys(id).sale)).toBe(0);
  expect((await v1(api.url, `GET /v1/sales/${id}`)).status).toBe(404);
  await expectNoFindings();
}, 120_000);

// What a seller does to a sale of /v1, before it opens and afterwards.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { createTokens } from "../src/auth/token.ts";
import { systemClock } from "../src/clock.ts";
import { saleKeys } from "../src/redis/keys.ts";
import { createChanges } from "../src/sales/change/changes.ts";
import { openSale, pauseSale } from "../src/sales/change/pause.ts";
import { createFlashSales } from "../src/sales/flash.ts";
import { newsThrough } from "../src/sales/news.ts";
import { saleRoutes } from "../src/sales/routes.ts";
import { saleChanges } from "../src/sales/table.ts";
import { createSaleViews } from "../src/sales/views.ts";
import { createEdge } from "../src/v1/edge.ts";
import { startApi, TEST_SECRET, type TestApi } from "./harness/api.ts";
import { freshName } from "./harness/http.ts";
import { inMs, mint, newTemplate, type Someone, salesOf } from "./harness/sellers.ts";
import { startStores, stopEverything } from "./harness/servers.ts";
import { type Behind, behind } from "./harness/service.ts";
import { until } from "./harness/until.ts";

let api: TestApi;
let past: Behind;
let seller: Someone;
let other: Someone;

beforeAll(async () => {
  const { settings } = await startStores({ RATE_LIMITS: "off" });
  [api, past] = await Promise.all([startApi(settings), behind(settings)]);
  [seller, other] = [await mint("seller"), await mint("seller")];
});
afterAll(stopEverything);

const HOUR = 3_600_000;
const { call, of, sale, grab, sell } = salesOf(() => ({ url: api.url, seller }));
const aTemplate = () => newTemplate(api.url, seller);
const hash = (id: number) => past.redis.hgetall(saleKeys(id).sale);

describe("before it opens", () => {
  test("a sale changes in everything", async () => {
    const id = await sale({ opensAt: inMs(HOUR) });
    const change = {
      ...{ total: 5, userLimit: 3, opensAt: inMs(2 * HOUR), closesAt: inMs(3 * HOUR) },
      ...{ grabsPerSecond: 7, name: freshName("another"), templateId: await aTemplate() },
    };
    const changed = await of(id, "PATCH ", change);
    expect(changed.status).toBe(200);
    expect(changed.body).toMatchObject(change);
    expect(await hash(id)).toMatchObject({ total: "5", limit: "3", rate: "7", state: "open" });
    expect((await of(id, "PATCH ", { closesAt: inMs(HOUR) })).body.errors[0].pointer).toBe(
      "/closesAt",
    );
    await of(id, "PATCH ", { opensAt: null, closesAt: null, userLimit: 1 });
    expect(await grab(id)).toBe("won");
  });

  test("it is deleted with all that there is of it, and its name is free", async () => {
    const name = freshName("sale");
    const id = await sale({ name, opensAt: inMs(HOUR) });
    expect((await of(id, "DELETE ")).status).toBe(204);
    expect(await past.redis.exists(saleKeys(id).sale)).toBe(0);
    expect((await call(`GET /v1/sales/${id}`, undefined)).status).toBe(404);
    expect((await of(id, "DELETE ")).status).toBe(404);
    expect(await sale({ name })).toBeGreaterThan(id);
  });
});

describe("once it is open", () => {
  test("its total goes up, and down to what is held, and not below", async () => {
    const id = await sale();
    await sell(id, 4);
    const below = await of(id, "PATCH ", { total: 3 });
    expect([below.status, below.body.code, below.body.held]).toEqual([409, "below_granted", 4]);
    expect((await hash(id)).total).toBe("10");
    const level = await of(id, "PATCH ", { total: 4 });
    expect([level.status, level.body.left]).toEqual([200, 0]);
    expect(await grab(id)).toBe("sold_out");
    expect((await of(id, "PATCH ", { total: 5 })).status).toBe(200);
    expect(await grab(id)).toBe("won");
  });

  test.each([
    ["its name", { name: "another" }],
    ["its template", { templateId: 1 }],
    ["its limit", { userLimit: 2 }],
    ["its opening", { opensAt: inMs(HOUR) }],
    ["its rate", { grabsPerSecond: 1 }],
    ["its opening with its total", { opensAt: inMs(HOUR), total: 20 }],
  ])("%s stays", async (_, change) => {
    const id = await sale();
    const { status, body } = await of(id, "PATCH ", change);
    expect([status, body.code]).toEqual([409, "sale_opened"]);
    expect((await hash(id)).total).toBe("10");
  });

  test("it cannot be deleted", async () => {
    const id = await sale();
    expect((await of(id, "DELETE ")).body.code).toBe("sale_opened");
    expect(await grab(id)).toBe("won");
  });

  test("its end can be brought forward and put off", async () => {
    const id = await sale({ closesAt: inMs(HOUR) });
    await of(id, "PATCH ", { closesAt: inMs(-1_000) });
    expect(await grab(id)).toBe("ended");
    await of(id, "PATCH ", { closesAt: inMs(HOUR) });
    expect(await grab(id)).toBe("won");
  });

  test("its end is at no time that MySQL cannot hold, whatever zone it is told in", async () => {
    const id = await sale();
    const refused = await of(id, "PATCH ", { closesAt: "9999-12-31T23:59:59-01:00" });
    expect([refused.status, refused.body.errors?.[0].pointer]).toEqual([422, "/closesAt"]);
    const put = await of(id, "PATCH ", { closesAt: "9999-12-31T23:59:59.999+00:00" });
    expect([put.status, put.body.closesAt]).toEqual([200, "9999-12-31T23:59:59.999Z"]);
  });

  test("what it was already is no change", async () => {
    const id = await sale();
    expect((await of(id, "PATCH ", { total: 10, userLimit: 1 })).status).toBe(200);
    expect((await hash(id)).version).toBeUndefined();
  });
});

describe("pausing", () => {
  test("is answered when no grab can win any more, and resuming lets it go on", async () => {
    const id = await sale();
    const paused = await of(id, "POST /pause");
    expect([paused.status, paused.body.state]).toEqual([200, "paused"]);
    expect(await grab(id)).toBe("paused");
    expect((await of(id, "POST /pause")).status).toBe(200);
    expect((await of(id, "POST /resume")).body.state).toBe("open");
    expect(await grab(id)).toBe("won");
  });

  test("is for the seller alone", async () => {
    const id = await sale();
    for (const action of ["pause", "resume"]) {
      expect((await call(`POST /v1/sales/${id}/${action}`, other)).status).toBe(404);
    }
    expect((await call(`POST /v1/sales/${id}/pause`, await mint("customer"))).status).toBe(403);
    expect((await call(`POST /v1/sales/${id}/pause`, undefined)).status).toBe(401);
    expect((await call(`GET /v1/sales/${id}/stats`, other)).status).toBe(404);
    expect((await call(`DELETE /v1/sales/${id}`, other)).status).toBe(404);
    expect((await call(`PATCH /v1/sales/${id}`, other, { total: 1 })).status).toBe(404);
    expect((await call(`POST /v1/sales/${id}/pause`, await mint("admin"))).status).toBe(200);
  });
});

test("what the audit has paused only an operator opens again, also when its seller had paused it", async () => {
  const [found, pausedBefore] = [await sale(), await sale()];
  const deps = { ...past, onUnfit: () => undefined };
  await of(pausedBefore, "POST /pause");
  for (const id of [found, pausedBefore]) {
    const epoch = Number(await past.redis.hget(saleKeys(id).gate, "epoch"));
    expect(await pauseSale(deps, id, epoch)).toBe("set");
    expect(await pauseSale(deps, id, epoch)).toBe("same");
    await of(id, "POST /pause");
    const { status, body } = await of(id, "POST /resume");
    expect([status, body.code]).toEqual([409, "paused_by_audit"]);
    expect(await grab(id)).toBe("paused");
    expect(await openSale(deps, id)).toBe("set");
    expect((await of(id, "POST /resume")).status).toBe(200);
    await of(id, "POST /pause");
    expect((await of(id, "POST /resume")).body.state).toBe("open");
  }
});

test("behind another change that cannot be made now, nothing is noted, and strangers learn nothing", async () => {
  const id = await sale();
  const { gate } = saleKeys(id);
  const epoch = String(await past.redis.hget(gate, "epoch"));
  // For this test alone: no grab asks this gate meanwhile.
  await past.redis.hset(gate, "epoch", "0");
  const first = await of(id, "POST /restock", { units: 5, reason: "more" });
  expect([first.status, first.body.detail]).toEqual([503, expect.stringContaining("is noted")]);
  const second = await of(id, "POST /pause");
  expect([second.status, second.body.detail]).toEqual([503, expect.stringContaining("Nothing")]);
  expect((await call(`POST /v1/sales/${id}/pause`, other)).status).toBe(404);
  await past.redis.hset(gate, "epoch", epoch);
  await until("the restock", async () => (await hash(id)).total === "15");
  expect((await hash(id)).state).toBe("open");
});

test("what is done is answered as it was written when it cannot be read", async () => {
  const { db, redis } = past;
  const records = { peek: () => undefined, get: () => Promise.reject(new Error("too many")) };
  const news = newsThrough(redis);
  const routes = saleRoutes({
    edge: createEdge({
      tokens: createTokens(TEST_SECRET, systemClock, () => false),
      ...{ keys: { find: never }, answers: { begin: never, start: never } },
    }),
    flash: createFlashSales({
      ...{
        db,
        news,
        changes: createChanges({ db, redis, news, onUnfit: never }),
        codes: { current: "" },
      },
      warmer: { warm: never },
    }),
    views: createSaleViews({
      ...{ db, clock: systemClock, records: records as never },
      ...{ listed: { peek: never, read: never }, numbers: { peek: () => undefined } as never },
    }),
    stats: never,
  });
  const id = await sale({ opensAt: inMs(HOUR) });
  const ask = async (what: string, body?: object) => {
    const [method = "", path = ""] = what.split(" ");
    const headers = { Authorization: `Bearer ${seller.token}`, "Content-Type": "application/json" };
    const sent = { method, headers, ...(body && { body: JSON.stringify(body) }) };
    const answer = await routes.request(`/v1/sales/${id}${path}`, sent);
    return [answer.status, await answer.json()];
  };
  const told = (fields: object) => [200, expect.objectContaining({ id, live: false, ...fields })];
  expect(await ask("POST /restock", { units: 5, reason: "x" })).toEqual(told({ total: 15 }));
  expect(await ask("POST /pause")).toEqual(told({ state: "paused", total: 15 }));
  expect(await ask("POST /resume")).toEqual(told({ state: "upcoming" }));
  const name = freshName("other");
  expect(await ask("PATCH ", { name, userLimit: 3 })).toEqual(told({ name, userLimit: 3 }));
});

describe("restocking", () => {
  test("adds units to a sale that is sold out, at once", async () => {
    const id = await sale({ total: 1 });
    await sell(id, 1);
    for (let i = 0; i < 3; i += 1) expect(await grab(id)).toBe("sold_out");
    const { status, body } = await of(id, "POST /restock", { units: 2, reason: "found more" });
    expect([status, body.total, body.left]).toEqual([200, 3, 2]);
    expect(await grab(id)).toBe("won");
  });

  test("twice with one key adds once, also when the two come at once", async () => {
    const id = await sale();
    const add = () => of(id, "POST /restock", { units: 5, reason: "once" }, { key: `add-${id}` });
    const both = await Promise.all([add(), add()]);
    const late = await add();
    for (const { status } of both) expect([200, 409]).toContain(status);
    expect(late.body.total).toBe(15);
    expect((await hash(id)).total).toBe("15");
    const history = await past.db.select().from(saleChanges).where(eq(saleChanges.saleId, id));
    expect(history.map(({ action }) => action)).toEqual(["create", "restock"]);
  });

  test("many times at once adds each time", async () => {
    const id = await sale();
    const add = (i: number) => of(id, "POST /restock", { units: 1, reason: `number ${i}` });
    const all = await Promise.all(Array.from({ length: 10 }, (_, i) => add(i)));
    const done = all.filter(({ status }) => status === 200).length;
    await until("all of them", async () => (await hash(id)).total === String(10 + done));
    expect(done).toBeGreaterThan(0);
  });

  test.each([
    ["without a reason", { units: 1 }],
    ["with an empty reason", { units: 1, reason: "" }],
    ["of nothing", { units: 0, reason: "x" }],
    ["beyond what a sale may have", { units: 10_000_000, reason: "x" }],
  ])("%s is refused", async (_, body) => {
    expect((await of(await sale(), "POST /restock", body)).status).toBe(422);
  });
});

function never(): never {
  throw new Error("nobody asks for this");
}

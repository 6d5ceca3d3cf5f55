// Watching sales by server-sent events: two processes on one Redis and one MySQL.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { EventClient } from "../src/events/client.ts";
import { limits } from "../src/limits.ts";
import { type ChangeRequest, createChanges } from "../src/sales/change/changes.ts";
import { newsThrough } from "../src/sales/news.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import { askRaw, type Watching, watchSale } from "./harness/events.ts";
import { call, mintCustomer } from "./harness/http.ts";
import { releaseWith } from "./harness/release.ts";
import { newSale } from "./harness/sales.ts";
import {
  freshDatabase,
  startRedis,
  startStores,
  stopEverything,
  stopLater,
} from "./harness/servers.ts";
import { type Behind, behind, commandCounts } from "./harness/service.ts";
import { until } from "./harness/until.ts";
import { v1 } from "./harness/v1.ts";

let settings: { REDIS_URL: string; DATABASE_URL: string; RATE_LIMITS: string };
let api: TestApi;
let other: TestApi;
let past: Behind;

beforeAll(async () => {
  ({ settings } = await startStores({ RATE_LIMITS: "off" }));
  // Audits ask Redis in the same way as those who watch do; here only the latter are to be counted.
  const folder = releaseWith([
    "src/limits/ledger.ts",
    "auditLiveMs: 10_000",
    "auditLiveMs: 900_000",
  ]);
  [api, other, past] = await Promise.all([
    startApi(settings, { folder }),
    startApi(settings, { folder }),
    behind(settings),
  ]);
});
afterAll(stopEverything);

const watchers: Watching[] = [];
afterEach(() => {
  for (const one of watchers.splice(0)) one.close();
});

async function watch(...about: Parameters<typeof watchSale>): Promise<Watching> {
  const watching = await watchSale(...about);
  watchers.push(watching);
  return watching;
}

async function grab(url: string, saleId: number): Promise<void> {
  const { token } = await mintCustomer();
  const { status } = await v1(url, `POST /v1/sales/${saleId}/grab`, { token });
  expect(status).toBe(201);
}

/** Changes a sale as the service does, and tells of it. */
async function change(
  saleId: number,
  action: ChangeRequest["action"],
  edit: ChangeRequest["edit"],
): Promise<void> {
  const { db, redis } = past;
  const request = { saleId, action, edit, reason: "", actor: "a test", requestKey: null };
  const deps = { db, redis, news: newsThrough(redis), onUnfit: () => undefined };
  expect(await createChanges(deps).change(request)).toEqual({ kind: "done" });
}

const latest = ({ events }: Watching) => events.at(-1);
const first = ({ events }: Watching) => until("the first event", () => events[0]);
const gaugeOf = async ({ opsUrl }: TestApi): Promise<number> =>
  Number(/^doorbuster_event_clients (\d+)$/m.exec((await call(`GET ${opsUrl}/metrics`)).text)?.[1]);

describe("who watches a sale", () => {
  test("is told at once how it stands, and when to come back", async () => {
    const closesAt = new Date(Date.now() + 3_600_000);
    const saleId = await newSale(past, 3, { closesAt });
    await grab(api.url, saleId);
    const watching = await watch(api.url, saleId, { "Last-Event-ID": "17" });
    expect(watching.status).toBe(200);
    expect(watching.headers.get("content-type")).toBe("text/event-stream");
    expect(watching.headers.get("cache-control")).toBe("no-store");
    const event = await first(watching);
    expect(event).toEqual({
      ...{ saleId, state: "open", total: 3, left: 2, granted: 1, returned: 0, rate: 0 },
      ...{ asOf: expect.any(String), opensAt: null, closesAt: closesAt.toISOString() },
    });
    expect(Math.abs(Date.now() - Date.parse(event.asOf))).toBeLessThan(10_000);
    expect(watching.ids).toEqual([String(Date.parse(event.asOf))]);
    expect(watching.retryMs()).toBeWithin(limits.eventRetryMsMin, limits.eventRetryMsMax);
  });

  test("sees a grab on another process within a second, and how fast it goes", async () => {
    const saleId = await newSale(past, 20);
    const watching = await watch(api.url, saleId);
    await first(watching);
    const grabbedAt = performance.now();
    await grab(other.url, saleId);
    await until("the grab", () => latest(watching)?.granted === 1);
    expect(watching.heardAt() - grabbedAt).toBeLessThan(1_000);
    expect(latest(watching)).toMatchObject({ left: 19, state: "open" });
    for (let more = 1; more < 20; more += 1) await grab(other.url, saleId);
    await until("the end of it", () => latest(watching)?.state === "sold_out");
    expect(latest(watching)).toMatchObject({ left: 0, granted: 20 });
    expect(latest(watching)?.rate).toBeGreaterThan(0);
    // Twenty grabs are not twenty events: a few come a second.
    expect(watching.events.length).toBeLessThan(20);
  });

  test("sees it paused, resumed and restocked", async () => {
    const saleId = await newSale(past, 1);
    await grab(api.url, saleId);
    const watching = await watch(api.url, saleId);
    expect((await first(watching)).state).toBe("sold_out");
    await change(saleId, "pause", () => ({ state: "paused" }));
    await until("the pause", () => latest(watching)?.state === "paused");
    await change(saleId, "resume", () => ({ state: "open" }));
    await until("the end of it", () => latest(watching)?.state === "sold_out");
    await change(saleId, "restock", ({ total }) => ({ total: total + 5 }));
    const { state, total, left } = await until("the units", () =>
      latest(watching)?.total === 6 ? latest(watching) : undefined,
    );
    expect([state, total, left]).toEqual(["open", 6, 5]);
  });

  test("sees it open and end when its times come", async () => {
    const opensAt = new Date(Date.now() + 1_500);
    const saleId = await newSale(past, 1, { opensAt, closesAt: new Date(+opensAt + 1_000) });
    const watching = await watch(api.url, saleId);
    await until("its end", () => latest(watching)?.state === "ended");
    expect(watching.events.map(({ state }) => state)).toEqual(["upcoming", "open", "ended"]);
  });

  test("is told nothing of another sale", async () => {
    const [one, two] = [await newSale(past, 5), await newSale(past, 7)];
    const [first, second] = [await watch(api.url, one), await watch(api.url, two)];
    await Promise.all([grab(api.url, one), grab(other.url, two)]);
    await until("both", () => latest(first)?.granted === 1 && latest(second)?.granted === 1);
    expect(new Set(first.events.map(({ saleId, total }) => `${saleId} ${total}`))).toEqual(
      new Set([`${one} 5`]),
    );
    expect(new Set(second.events.map(({ saleId, total }) => `${saleId} ${total}`))).toEqual(
      new Set([`${two} 7`]),
    );
  });

  test("hears a comment within five seconds of the last word, and equal states once", async () => {
    const watching = await watch(api.url, await newSale(past, 1));
    await first(watching);
    const told = watching.heardAt();
    const [one = 0, two = 0] = await until("comments", () =>
      watching.comments.length === 2 ? watching.comments : undefined,
    );
    expect(one - told).toBeLessThan(5_000);
    expect(two - one).toBeLessThan(5_000);
    expect(watching.names).toEqual(["sale"]);
    expect(watching.ended()).toBeUndefined();
  });

  test("is let go when the sale is deleted, and told that there is none on coming back", async () => {
    const saleId = await newSale(past, 1, { opensAt: new Date(Date.now() + 3_600_000) });
    const watching = await watch(api.url, saleId);
    await first(watching);
    await change(saleId, "delete", () => ({ state: "deleted" }));
    expect(await until("the end", () => watching.ended())).toBe("end");
    expect((await v1(api.url, `GET /v1/sales/${saleId}/events`)).status).toBe(404);
  });
});

test("there is nothing to watch where there is no sale, and no other method", async () => {
  for (const id of ["0", "x", "999999999", "1.5"]) {
    const { status, body } = await v1(api.url, `GET /v1/sales/${id}/events`);
    expect([id, status, body.code]).toEqual([id, 404, "not_found"]);
  }
  const saleId = await newSale(past, 1);
  expect((await v1(api.url, `POST /v1/sales/${saleId}/events`)).status).toBe(405);
  const head = await call(`HEAD ${api.url}/v1/sales/${saleId}/events`);
  expect([head.status, head.text]).toEqual([200, ""]);
});

describe("many clients", () => {
  test("cost one question a look, and no connection to Redis", async () => {
    const connections = async () =>
      String(await past.redis.client("LIST"))
        .split("\n")
        .map((line) => `${/ name=(\S*)/.exec(line)?.[1]}, ${/ sub=(\d+)/.exec(line)?.[1]} channels`)
        .toSorted();
    await until("nobody to watch", async () => (await gaugeOf(api)) + (await gaugeOf(other)) === 0);
    const before = await connections();
    const saleId = await newSale(past, 1_000);
    const all = await Promise.all(Array.from({ length: 200 }, () => watch(other.url, saleId)));
    await Promise.all(all.map(first));
    expect(await connections()).toEqual(before);
    expect(before.filter((line) => line === "doorbuster-changes, 1 channels").length).toBe(2);
    const looks = async () => (await commandCounts(past.redis)).get("evalsha_ro") ?? 0;
    const [from, since] = [await looks(), performance.now()];
    await until("ten looks", async () => (await looks()) >= from + 10);
    expect((await looks()) - from).toBeLessThan(
      (performance.now() - since) / limits.eventGapMs + 2,
    );
    await grab(api.url, saleId);
    await until("the grab on all", () => all.every((one) => latest(one)?.granted === 1));
  });

  test("who leave are forgotten, wherever in their request they are", async () => {
    const saleId = await newSale(past, 1);
    const before = await gaugeOf(api);
    const path = `/v1/sales/${saleId}/events`;
    const staying = await watch(api.url, saleId);
    for (let round = 0; round < 10; round += 1) {
      const sockets = await Promise.all(Array.from({ length: 100 }, () => askRaw(api.url, path)));
      // Half of them do not wait for a word.
      const heard = sockets
        .slice(50)
        .map((socket) => new Promise((resolve) => socket.once("data", resolve)));
      for (const socket of sockets.slice(0, 50)) socket.destroy();
      await Promise.all(heard);
      expect(await gaugeOf(api)).toBeGreaterThan(before + 50);
      for (const socket of sockets.slice(50)) socket.destroy();
    }
    await until("the others to be forgotten", async () => (await gaugeOf(api)) === before + 1);
    expect(staying.ended()).toBeUndefined();
    staying.close();
    await until("nobody to be left", async () => (await gaugeOf(api)) === before);
  });

  test("among whom one does not read lose that one, and nothing else", async () => {
    const clients: EventClient[] = [];
    const left: EventClient[] = [];
    const server = Bun.serve({
      ...{ hostname: "127.0.0.1", port: 0, idleTimeout: limits.httpIdleTimeoutSeconds },
      fetch() {
        const client = new EventClient((one) => left.push(one));
        clients.push(client);
        return new Response(client.stream);
      },
    });
    stopLater(() => server.stop(true));
    const url = server.url.href;
    const silent = await askRaw(url, "/");
    await until("the first", () => clients.length === 1);
    let readBytes = 0;
    (await askRaw(url, "/")).on("data", (data) => {
      readBytes += data.length;
    });
    await until("the second", () => clients.length === 2);
    const [slow, quick] = clients;
    const bytes = new Uint8Array(limits.eventUnsentBytesMax);
    for (let sent = 0; left.length === 0; sent += bytes.length) {
      for (const client of clients) client.send(bytes);
      await until("the other to have it", () => readBytes >= sent + bytes.length);
    }
    expect(left).toEqual([slow as EventClient]);
    // What had gone out already comes through, then the end.
    let last = "";
    silent.on("data", (data) => {
      last = data.toString("latin1").slice(-5);
    });
    await until("the end", () => last === "0\r\n\r\n");
    quick?.end();
  });
});

test("without Redis a stream stays, says so, and goes on with Redis", async () => {
  const [redis, database] = await Promise.all([startRedis(), freshDatabase()]);
  const own = { REDIS_URL: redis.url, DATABASE_URL: database.url };
  const [alone, ownPast] = await Promise.all([startApi(own), behind(own)]);
  const saleId = await newSale(ownPast, 5);
  const watching = await watch(alone.url, saleId);
  await first(watching);
  await redis.process.kill("SIGKILL");
  await until("the word", () => watching.names.at(-1) === "unavailable");
  const late = await watch(alone.url, saleId);
  await until("the same for one who comes now", () => late.names[0] === "unavailable");
  await until("a comment", () => watching.comments.length > 0);
  await redis.process.start();
  await until("the state", () => watching.names.at(-1) === "sale" && late.names.at(-1) === "sale");
  expect(watching.names).toEqual(["sale", "unavailable", "sale"]);
  expect(latest(watching)).toMatchObject({ saleId, left: 5 });
});

test("a process that stops ends its streams first", async () => {
  const leaving = await startApi(settings);
  const saleId = await newSale(past, 1);
  const all = await Promise.all(Array.from({ length: 20 }, () => watch(leaving.url, saleId)));
  await Promise.all(all.map(first));
  const since = performance.now();
  expect(await leaving.end("SIGTERM")).toBe(0);
  expect(all.map((one) => one.ended())).toEqual(all.map(() => "end"));
  // Had it waited for them, it would have taken all the time that requests have.
  expect(performance.now() - since).toBeLessThan(limits.stopReadyGraceMs + limits.stopRequestsMs);
});

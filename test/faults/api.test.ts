// Faults of the API's processes: they stand still, die between a call and its answer, run out of descriptors.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { shards } from "../../src/ledger/table.ts";
import { limits } from "../../src/limits.ts";
import { startApi, type TestApi } from "../harness/api.ts";
import {
  grab,
  inParallel,
  mintCustomers,
  newCoupon,
  newUser,
  type TestUser,
  tally,
  untilWell,
} from "../harness/http.ts";
import { linkTo } from "../harness/links.ts";
import { releaseWith } from "../harness/release.ts";
import { startStores, stopEverything } from "../harness/servers.ts";
import { type Behind, behind } from "../harness/service.ts";
import { attempt, crowdAsks, type Told, untilBooksAgree } from "../harness/told.ts";
import { until } from "../harness/until.ts";

let settings: { REDIS_URL: string; DATABASE_URL: string; RATE_LIMITS: string };
let steady: TestApi;
let past: Behind;
let seller: TestUser;

beforeAll(async () => {
  ({ settings } = await startStores({ RATE_LIMITS: "off" }));
  steady = await startApi(settings);
  past = await behind(settings);
  seller = await newUser(steady.url, "seller");
});
afterAll(stopEverything);

/** Of the process that stands still: less than the usual, so that a test outlasts it. */
const IDLE_TIMEOUT_SECONDS = 3;

test("a process that stood still longer than its leases and its idle timeout answers or resets what it held, and goes on", async () => {
  const other = await startApi(settings, {
    folder: releaseWith([
      "src/limits/api.ts",
      `httpIdleTimeoutSeconds: ${limits.httpIdleTimeoutSeconds},`,
      `httpIdleTimeoutSeconds: ${IDLE_TIMEOUT_SECONDS},`,
    ]),
  });
  const coupon = await newCoupon(steady.url, seller, 150);
  const saleId = await past.saleIdOf(coupon.name);
  const crowd = await mintCustomers(200);
  const storm = crowdAsks(() => [steady.url, other.url], coupon, crowd, 64);
  await until("a part to be sold", async () => (await past.grantedInRedis(saleId)) > 20);
  const since = performance.now();
  process.kill(other.pid, "SIGSTOP");
  const held = await mintCustomers(40);
  let waiting = held.length;
  const late = held.map(({ token }) =>
    grab(other.url, coupon, token)
      .catch(() => "lost")
      .finally(() => {
        waiting -= 1;
      }),
  );
  try {
    // Whoever asked the one that stands still gets through at the other.
    const told = await storm;
    expect(tally([...told.outcomes.values()]).sold_out).toBe(50);
    const longest = Math.max(IDLE_TIMEOUT_SECONDS, limits.leaseSeconds) + 1;
    await until("the leases to end", () => performance.now() - since > longest * 1_000);
    expect(waiting).toBe(held.length);
  } finally {
    process.kill(other.pid, "SIGCONT");
  }
  const answers = tally(await Promise.all(late));
  const { sold_out = 0, lost = 0, "503": unavailable = 0 } = answers;
  expect([answers, sold_out + lost + unavailable]).toEqual([answers, held.length]);
  await untilBooksAgree(
    past,
    coupon,
    150,
    await storm,
    await crowdAsks(() => [other.url], coupon, held),
  );
  expect(await other.end("SIGTERM")).toBe(0);
});

test("a process that is killed before it hears Redis's answer: who asks again has the unit, once", async () => {
  const redis = await linkTo(settings.REDIS_URL);
  const doomed = await startApi({ ...settings, REDIS_URL: redis.url });
  const coupon = await newCoupon(steady.url, seller, 100);
  const saleId = await past.saleIdOf(coupon.name);
  const crowd = await mintCustomers(20);
  // The first grab makes the sale known to it, so that those that follow are calls to Redis and nothing else.
  const first = await crowdAsks(() => [doomed.url], coupon, await mintCustomers(1));
  redis.proxy.slow(limits.redisCommandTimeoutMs * 0.4);
  const unanswered = crowd.map((customer) => attempt(doomed.url, coupon, customer));
  const granted = await until("a grant that nobody has heard of", async () => {
    const now = await past.grantedInRedis(saleId);
    return now > 1 ? now - 1 : undefined;
  });
  await doomed.end("SIGKILL");
  expect(tally(await Promise.all(unanswered))).toEqual({ lost: 20 });
  const told = await crowdAsks(() => [steady.url], coupon, crowd, 1);
  const { won = 0, repeated } = tally([...told.outcomes.values()]);
  expect([repeated, won]).toEqual([granted, 20 - granted]);
  await untilBooksAgree(past, coupon, 100, first, told);
});

/** Room for what the process needs itself, and for some connections of clients. */
const DESCRIPTORS = 192;

test("a process without file descriptors stays alive, refuses or delays, and recovers when there are some", async () => {
  const redis = await linkTo(settings.REDIS_URL);
  const poor = await startApi(
    { ...settings, REDIS_URL: redis.url },
    {
      // No descriptor comes free by itself: MySQL's connections stay, whether or not they are needed.
      folder: releaseWith([
        "src/limits/ledger.ts",
        "mysqlPoolSilenceSeconds: 10",
        "mysqlPoolSilenceSeconds: 600",
      ]),
      under: ["sh", "-c", `ulimit -n ${DESCRIPTORS}; exec "$0" "$@"`],
    },
  );
  const coupon = await newCoupon(poor.url, seller, 500);
  const ask = async (count: number) =>
    crowdAsks(() => [poor.url], coupon, await mintCustomers(count), 8);
  const told = [await ask(50)];
  const { hostname, port } = new URL(poor.url);
  const idle = await openMany(hostname, Number(port), DESCRIPTORS * 2);
  try {
    await until("all descriptors to be taken", () => descriptorsOf(poor.pid) >= DESCRIPTORS);
    // Those who are connected already are served, until it needs a new connection itself.
    told.push(await ask(8));
    redis.proxy.reset();
    const refused = await inParallel(await mintCustomers(10), 1, (one) =>
      attempt(poor.url, coupon, one),
    );
    expect(refused.filter((answer) => answer !== "503" && answer !== "lost")).toEqual([]);
    expect(poor.exitCode()).toBeUndefined();
  } finally {
    for (const socket of idle) socket.destroy();
  }
  told.push(await ask(50));
  await untilBooksAgree(past, coupon, 500, ...told);
  await untilWell(poor.url);
  expect(await poor.end("SIGTERM")).toBe(0);
});

/** The epochs of all shards: one that rises again and again says that two processes take turns. */
const epochs = async (): Promise<number[]> =>
  (await past.db.select({ epoch: shards.epoch }).from(shards).orderBy(shards.shard)).map(
    ({ epoch }) => epoch,
  );

test("two releases with different scripts serve at once, before and after Redis has forgotten both, and one remains", async () => {
  const next = await startApi(settings, {
    folder: releaseWith(["src/grab/grab.lua", "#!lua\n", "#!lua\n-- Of the next release.\n"]),
  });
  const both = [steady.url, next.url];
  const coupon = await newCoupon(steady.url, seller, 1_000);
  const told: Told[] = [];
  const steadily = async (): Promise<number[]> => {
    for (const url of both) await untilWell(url);
    const before = await epochs();
    const since = performance.now();
    // Longer than the pause between two looks at the gates: one who does not believe them has had their turn.
    while (performance.now() - since < limits.gateCheckMs * 1.5) {
      told.push(await crowdAsks(() => both, coupon, await mintCustomers(20), 4));
    }
    expect(await epochs()).toEqual(before);
    return before;
  };
  const before = await steadily();
  await past.redis.script("FLUSH");
  told.push(await crowdAsks(() => both, coupon, await mintCustomers(20)));
  await until("a recovery of every shard", async () => {
    return (await epochs()).every((epoch, shard) => epoch > (before[shard] ?? 0));
  });
  await steadily();
  expect(await steady.end("SIGTERM")).toBe(0);
  told.push(await crowdAsks(() => [next.url], coupon, await mintCustomers(20)));
  await untilBooksAgree(past, coupon, 1_000, ...told);
  expect(await next.end("SIGTERM")).toBe(0);
});

const descriptorsOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

/** Connections that say nothing. */
function openMany(hostname: string, port: number, count: number): Promise<Socket[]> {
  return inParallel(Array.from({ length: count }), 64, () => {
    const { promise, resolve } = Promise.withResolvers<Socket>();
    const socket = connect(port, hostname, () => resolve(socket));
    socket.on("error", () => resolve(socket));
    return promise;
  });
}

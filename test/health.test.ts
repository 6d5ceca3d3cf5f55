// What the service tells of itself: readiness, details and metrics, while its servers come and go.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import type { RedisServer } from "../src/embedded/redis.ts";
import { grants, shards } from "../src/ledger/table.ts";
import { limits } from "../src/limits.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import {
  call,
  grab,
  inParallel,
  list,
  mintCustomer,
  mintCustomers,
  newCoupon,
  newUser,
  type TestUser,
} from "./harness/http.ts";
import { startMysql, startRedis, stopEverything } from "./harness/servers.ts";
import { assertRows, type Behind, behind } from "./harness/service.ts";
import { until } from "./harness/until.ts";

let redis: RedisServer;
let mysql: Awaited<ReturnType<typeof startMysql>>;
let api: TestApi;
let past: Behind;
let seller: TestUser;

beforeAll(async () => {
  [redis, mysql] = await Promise.all([startRedis(), startMysql()]);
  const settings = { REDIS_URL: redis.url, DATABASE_URL: mysql.url };
  api = await startApi(settings);
  past = await behind(settings);
  seller = await newUser(api.url, "seller");
});
afterAll(stopEverything);

interface Details {
  status: string;
  complaints: string[];
  durability: string;
  redis: { connection: string; grabsWaiting: number };
  mysql: string;
  worker: { state: string; restarts: number; livingProcesses: number };
  backlogGrants: number | null;
  lagMs: number;
  shards: { gate: string; epoch: number; script: string; leaseHeld: boolean }[];
}

async function ready(): Promise<{ word: string; details: Details }> {
  const [short, long] = await Promise.all([
    call(`GET ${api.url}/readyz`),
    fetch(`${api.opsUrl}/readyz`),
  ]);
  // Degraded still serves: another process would be no better off.
  expect([short.status, long.status]).toEqual([200, 200]);
  return { word: short.text, details: (await long.json()) as Details };
}

const untilReadyIs = (word: string) =>
  until(`/readyz to say ${word}`, async () => {
    const seen = await ready();
    return seen.word === word && seen.details.status === word ? seen.details : undefined;
  });

const untilRows = (saleId: number, count: number) =>
  until(`${count} rows`, async () => {
    assertRows(await past.rowsOf(saleId), count);
    return true;
  });

/** The metrics by name and labels, as they are written. */
async function metrics(): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const line of (await (await fetch(`${api.opsUrl}/metrics`)).text()).split("\n")) {
    const [, name, value] = /^([^#\s]\S*(?:\{.*\})?) (\S+)$/.exec(line) ?? [];
    if (name) found.set(name, Number(value));
  }
  return found;
}

describe("on the operations port", () => {
  test("/readyz has the details of an undisturbed service, and the main port none of them", async () => {
    const details = await untilReadyIs("ok");
    expect(details).toMatchObject({
      ...{ complaints: [], durability: "durable", mysql: "ok" },
      redis: { connection: "ready", grabsWaiting: 0 },
      worker: { state: "running", restarts: 0, livingProcesses: 1 },
    });
    expect(details.shards).toHaveLength(16);
    for (const shard of details.shards) {
      expect(shard).toMatchObject({ gate: "open", epoch: expect.any(Number) });
      expect(shard.script).toMatch(/^[0-9a-f]{40}$/);
    }
    await until("all leases", async () => {
      return (await ready()).details.shards.every(({ leaseHeld }) => leaseHeld);
    });
    expect((await call(`GET ${api.url}/readyz`)).text).toBe("ok");
    expect((await call(`GET ${api.url}/metrics`)).status).toBe(404);
    expect((await call(`GET ${api.opsUrl}/livez`)).status).toBe(200);
    for (const path of ["/livez", "/readyz", "/metrics", "/nothing"]) {
      const { headers } = await call(`GET ${api.opsUrl}${path}`);
      expect([path, headers.get("x-content-type-options")]).toEqual([path, "nosniff"]);
      expect(headers.get("cache-control")).toBe("no-store");
    }
  });

  test("/metrics counts requests by route pattern and status, and grabs by outcome", async () => {
    const coupon = await newCoupon(api.url, seller, 1);
    const [one, two] = [await mintCustomer(), await mintCustomer()];
    const before = await metrics();
    expect(await grab(api.url, coupon, one.token)).toBe("won");
    expect(await grab(api.url, coupon, one.token)).toBe("repeated");
    expect(await grab(api.url, coupon, two.token)).toBe("sold_out");
    expect(await grab(api.url, coupon, "rubbish")).toBe("401");
    await call(`GET ${api.url}/no/such/path`);
    const after = await metrics();
    const more = (name: string) => (after.get(name) ?? 0) - (before.get(name) ?? 0);
    const requests = (route: string, status: number, method = "PATCH") =>
      more(`doorbuster_requests_total{method="${method}",route="${route}",status="${status}"}`);
    const route = "/api/users/:username/coupons/:name";
    expect([201, 204, 401].map((status) => requests(route, status))).toEqual([1, 2, 1]);
    expect(requests("unmatched", 404, "GET")).toBe(1);
    const outcomes = ["granted", "repeated", "sold_out"].map((outcome) =>
      more(`doorbuster_grabs_total{outcome="${outcome}"}`),
    );
    expect(outcomes).toEqual([1, 1, 1]);
    // No name or id that a client chose is a label.
    expect([...after.keys()].join()).not.toContain(coupon.name);
  });

  test("/metrics has batch sizes, waits, backlog, lag, dead letters and the pool", async () => {
    const coupon = await newCoupon(api.url, seller, 500);
    const crowd = await mintCustomers(200);
    await inParallel(crowd, 64, ({ token }) => grab(api.url, coupon, token));
    await untilRows(await past.saleIdOf(coupon.name), 200);
    const rows = await past.db.$count(grants);
    const seen = await until("the rows to be counted", async () => {
      const now = await metrics();
      return now.get("doorbuster_ledger_rows_total") === rows ? now : undefined;
    });
    const attempts = seen.get("doorbuster_grab_call_attempts_sum") ?? 0;
    const calls = seen.get("doorbuster_grab_call_attempts_count") ?? 0;
    expect(attempts).toBeGreaterThanOrEqual(200);
    expect(calls).toBeLessThan(attempts);
    expect(seen.get("doorbuster_grab_queue_wait_seconds_count")).toBe(calls);
    expect(seen.get("doorbuster_grab_call_seconds_count")).toBe(calls);
    expect(seen.get("doorbuster_ledger_batch_rows_sum")).toBe(rows);
    expect(seen.get("doorbuster_ledger_dead_letters_total")).toBe(0);
    expect(seen.get("doorbuster_gates_open")).toBe(16);
    for (const name of [
      ...["doorbuster_ledger_backlog_grants", "doorbuster_ledger_lag_seconds"],
      ...["doorbuster_mysql_pool_waiting", "doorbuster_mysql_pool_busy"],
      ...["doorbuster_grabs_waiting", "doorbuster_ledger_leases", "doorbuster_memory_bytes"],
    ]) {
      expect([name, seen.get(name)]).toEqual([name, expect.any(Number)]);
    }
  });
});

test("without MySQL the service is degraded and grabs go on; a gate that closes then stays closed", async () => {
  const coupon = await newCoupon(api.url, seller, 500);
  const crowd = await mintCustomers(101);
  const tokens = crowd.map(({ token }) => token);
  expect(await grab(api.url, coupon, tokens[0] ?? "")).toBe("won");
  const id = await past.saleIdOf(coupon.name);
  await untilRows(id, 1);
  await mysql.process.kill("SIGKILL");
  const away = await untilReadyIs("degraded");
  expect(away.complaints).toHaveLength(1);
  expect(away.complaints[0]).toStartWith("mysql: ");
  const outcomes = await inParallel(tokens.slice(1), 32, (token) => grab(api.url, coupon, token));
  expect(new Set(outcomes)).toEqual(new Set(["won"]));
  await until("the backlog to be told", async () => {
    return (await metrics()).get("doorbuster_ledger_backlog_grants") === 100;
  });
  expect((await ready()).details.backlogGrants).toBe(100);
  // What needs MySQL says so at once.
  const body = { username: "somebody", password: "p", kind: "customer" };
  const registering = await call(`POST ${api.url}/api/users`, { body });
  expect([registering.status, registering.headers.get("retry-after")]).toEqual([503, "1"]);

  await past.redis.script("FLUSH");
  const late = (await mintCustomer()).token;
  const refused = await call(`PATCH ${api.url}${coupon.path}`, { token: late });
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
  const { details } = await ready();
  expect(details.complaints.filter((one) => one.startsWith("the gate of shard"))).toHaveLength(1);
  expect(details.shards.filter(({ gate }) => gate === "closed")).toHaveLength(1);

  await mysql.process.start();
  await untilReadyIs("ok");
  expect(await grab(api.url, coupon, late)).toBe("won");
  expect(await grab(api.url, coupon, tokens[1] ?? "")).toBe("repeated");
  await untilRows(id, 102);
});

test("while MySQL hangs the backlog and its age are told all the same", async () => {
  const coupon = await newCoupon(api.url, seller, 5);
  await untilReadyIs("ok");
  // The shard's writer may still wait between two tries of the outage before; a row shows that it writes.
  expect(await grab(api.url, coupon, (await mintCustomer()).token)).toBe("won");
  await untilRows(await past.saleIdOf(coupon.name), 1);
  await mysql.process.kill("SIGSTOP");
  try {
    expect(await grab(api.url, coupon, (await mintCustomer()).token)).toBe("won");
    const told = async () => {
      const now = await metrics();
      const [backlog = 0, lag = 0] = [
        now.get("doorbuster_ledger_backlog_grants"),
        now.get("doorbuster_ledger_lag_seconds"),
      ];
      return backlog === 1 && lag > 0;
    };
    // Before MySQL's silence has become an error.
    await until("a backlog with an age", told, { withinMs: limits.mysqlQueryTimeoutMs - 1_000 });
  } finally {
    await mysql.process.kill("SIGCONT");
  }
  await untilReadyIs("ok");
  await untilRows(await past.saleIdOf(coupon.name), 2);
});

test("what waits on a shard that this process does not write is told too", async () => {
  const coupon = await newCoupon(api.url, seller, 5);
  await untilReadyIs("ok");
  const id = await past.saleIdOf(coupon.name);
  // As if another process held all leases, and had just been killed.
  const until15sFromNow = sql`NOW(3) + INTERVAL 15 SECOND`;
  await past.db.update(shards).set({ leaseOwner: "gone", leaseUntil: until15sFromNow });
  await until("the writers to have stopped", async () =>
    (await ready()).details.shards.every(({ leaseHeld }) => !leaseHeld),
  );
  expect(await grab(api.url, coupon, (await mintCustomer()).token)).toBe("won");
  await until("the backlog to be told", async () => (await ready()).details.backlogGrants === 1);
  await past.db.update(shards).set({ leaseOwner: null, leaseUntil: null });
  await untilRows(id, 1);
  await until("it to be over", async () => (await ready()).details.backlogGrants === 0);
});

test("without Redis grabs are refused, lists come from MySQL, and all goes on when it is back", async () => {
  const coupon = await newCoupon(api.url, seller, 5);
  const { username, token } = await mintCustomer();
  // The test before has taken the scripts from all shards, and this one may only learn of it now.
  await until("a grab", async () => (await grab(api.url, coupon, token)) === "won");
  await untilRows(await past.saleIdOf(coupon.name), 1);
  await redis.process.kill("SIGKILL");
  const away = await untilReadyIs("degraded");
  expect(away.complaints.some((one) => one.startsWith("redis is "))).toBe(true);
  await until("the backlog to be unknown", async () => {
    return (await ready()).details.backlogGrants === null;
  });
  expect(await grab(api.url, coupon, token)).toBe("503");
  expect((await list(api.url, username, token)).map(({ name }) => name)).toEqual([coupon.name]);
  expect((await list(api.url, seller.username, token))[0]).toMatchObject({ left: 4, amount: 5 });
  await redis.process.start();
  await until("a grab", async () => (await grab(api.url, coupon, token)) === "repeated");
  expect(await grab(api.url, coupon, (await mintCustomer()).token)).toBe("won");
  await untilReadyIs("ok");
});

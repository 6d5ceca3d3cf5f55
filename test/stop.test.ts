// The end of a process, asked for by a signal in the middle of a storm; and what its log tells until then.

import { afterAll, beforeAll, expect, test } from "bun:test";
import type { RedisServer } from "../src/embedded/redis.ts";
import { limits } from "../src/limits.ts";
import { startApi } from "./harness/api.ts";
import {
  call,
  freshName,
  grab,
  list,
  logIn,
  mintCustomer,
  mintCustomers,
  newCoupon,
  newUser,
  type TestCoupon,
  tally,
} from "./harness/http.ts";
import { linkTo } from "./harness/links.ts";
import { freshDatabase, startRedis, stopEverything } from "./harness/servers.ts";
import { assertRows, type Behind, behind } from "./harness/service.ts";
import { until } from "./harness/until.ts";

let redis: RedisServer;
let settings: { REDIS_URL: string; DATABASE_URL: string };
let past: Behind;

beforeAll(async () => {
  const [server, database] = await Promise.all([startRedis(), freshDatabase()]);
  redis = server;
  settings = { REDIS_URL: redis.url, DATABASE_URL: database.url };
  past = await behind(settings);
});
afterAll(stopEverything);

/** What one sees who still sends when nobody listens any more. */
const CLOSED = new Set(["ConnectionRefused", "ECONNREFUSED", "ECONNRESET"]);

/** Grabs for one customer after the other, in many lanes, until there is nobody to talk to. */
function startStorm(
  url: string,
  coupon: TestCoupon,
  crowd: readonly { id: number; token: string }[],
) {
  const won: number[] = [];
  const others: string[] = [];
  let next = 0;
  const lane = async () => {
    for (let one = crowd[next++]; one; one = crowd[next++]) {
      const outcome = await grab(url, coupon, one.token).catch(
        (error: Error & { code?: string }) => error.code ?? error.message,
      );
      if (outcome === "won") won.push(one.id);
      else others.push(outcome);
      if (CLOSED.has(outcome)) return;
    }
  };
  return { won, others, ended: Promise.all(Array.from({ length: 32 }, lane)) };
}

test("SIGTERM in a storm: not ready, requests finish, exit 0, and all that was confirmed is in MySQL", async () => {
  const api = await startApi({ ...settings, RATE_LIMITS: "off" });
  const seller = await newUser(api.url, "seller");
  const coupon = await newCoupon(api.url, seller, 1_000_000);
  const storm = startStorm(api.url, coupon, await mintCustomers(50_000));
  await until("the storm", () => storm.won.length > 500);
  const asked = performance.now();
  const ended = api.end("SIGTERM");
  const leaving = await until("/readyz to say no", async () => {
    const answer = await call(`GET ${api.url}/readyz`);
    return answer.status === 503 ? answer : undefined;
  });
  expect(leaving.text).toBe("stopping");
  // Whoever keeps a connection is told to leave it, before it is closed under a request on its way.
  expect(leaving.headers.get("connection")).toBe("close");

  // Log-ins are slow: sent now, most of them are in hand when the service stops listening.
  await until("the grace to end", () => performance.now() - asked > limits.stopReadyGraceMs - 400);
  const { username, password } = seller;
  const logIns = Array.from({ length: 60 }, () =>
    call(`POST ${api.url}/api/auth`, { body: { username, password } }),
  );
  const { "200": entered = 0, "503": busy = 0 } = tally(
    (await Promise.all(logIns)).map(({ status }) => `${status}`),
  );
  // On a slow machine some wait too long for their turn; each has an answer.
  expect(entered).toBeGreaterThan(0);
  expect(entered + busy).toBe(60);
  expect(await ended).toBe(0);
  expect(performance.now() - asked).toBeLessThan(25_000);
  await storm.ended;

  expect(storm.others.filter((outcome) => !CLOSED.has(outcome))).toEqual([]);
  const saleId = await past.saleIdOf(coupon.name);
  const rows = await past.rowsOf(saleId);
  assertRows(rows, rows.length);
  // Nobody was told of a grant that is not recorded, and nobody has one without having been told.
  expect(new Set(rows.map(({ user }) => user))).toEqual(new Set(storm.won));
  expect(await past.grantedInRedis(saleId)).toBe(rows.length);
});

test("a process that cannot reach MySQL any more ends in time: its parts stop side by side", async () => {
  const link = await linkTo(settings.DATABASE_URL);
  const api = await startApi({ ...settings, DATABASE_URL: link.url });
  link.proxy.freeze();
  const asked = performance.now();
  expect(await api.end("SIGINT")).toBe(0);
  const { stopDrainMs, stopDrainGraceMs, stopClientsMs } = limits;
  expect(performance.now() - asked).toBeLessThan(
    stopDrainMs + stopDrainGraceMs + stopClientsMs + 1_500,
  );
}, 40_000);

test("the log is one JSON line per event, and never has a token, a password or a hash", async () => {
  const api = await startApi({ ...settings, LOG_LEVEL: "trace" });
  const seller = await newUser(api.url, "seller");
  const customer = await newUser(api.url, "customer");
  const minted = await mintCustomer();
  const secrets = [seller, customer].flatMap(({ token, password }) => [token, password]);
  secrets.push(minted.token, "$argon2");

  const coupon = await newCoupon(api.url, seller, 5);
  for (const { token } of [customer, minted]) await grab(api.url, coupon, token);
  await list(api.url, customer.username, customer.token);
  const guess = `wrong ${freshName("password")}`;
  const forged = `${minted.token.slice(0, -4)}AAAA`;
  secrets.push(guess, forged);
  await call(`POST ${api.url}/api/auth`, {
    body: { username: customer.username, password: guess },
  });
  const newline = { username: 'x\n{"level":"error"}', password: guess, kind: "customer" };
  await call(`POST ${api.url}/api/users`, { body: newline });
  await grab(api.url, coupon, forged);
  await call(`POST ${api.url}/api/auth/logout`, { token: customer.token });
  const renewed = await logIn(api.url, customer);
  secrets.push(renewed);

  // An outage is when errors are logged, with whatever they carry.
  await redis.process.kill("SIGKILL");
  const { username, password } = customer;
  for (const refused of [
    await call(`POST ${api.url}/api/auth`, { body: { username, password } }),
    await call(`POST ${api.url}/api/auth/logout`, { token: renewed }),
    await call(`PATCH ${api.url}${coupon.path}`, { token: minted.token }),
  ]) {
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
  }
  await redis.process.start();
  await until("a grab", async () => (await grab(api.url, coupon, minted.token)) === "repeated");
  expect(await api.end("SIGTERM")).toBe(0);

  const lines = api.output().trimEnd().split("\n");
  for (const line of lines) {
    const event = JSON.parse(line) as { level?: unknown; time?: unknown; msg?: unknown };
    for (const field of [event.level, event.time, event.msg]) expect(field).toBeString();
  }
  const messages = lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
  expect(messages).toContain("request refused: a server is away");
  expect(messages.at(-1)).toBe("stopped");
  for (const secret of secrets) expect(api.output()).not.toContain(secret);
  // Neither in another form: the parts of a token are as good as the whole.
  for (const token of secrets.filter((secret) => secret.startsWith("ey"))) {
    expect(api.output()).not.toContain(token.split(".")[2] ?? token);
  }
});

// A client of the API, as customers and sellers use it, and ways to have users and coupons of one's own.

import { createTokens, type Kind } from "../../src/auth/token.ts";
import { systemClock } from "../../src/clock.ts";
import { TEST_SECRET } from "./api.ts";
import { until } from "./until.ts";

const tokens = createTokens(TEST_SECRET, systemClock, () => false);

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; undefined when it is empty. */
  readonly body: unknown;
}

export interface CallOptions {
  readonly token?: string | undefined;
  readonly headers?: Record<string, string>;
  /** An object is sent as JSON, anything else as it is. */
  readonly body?: object | string | Uint8Array;
}

/** One request; `where` is "POST http://…/api/users". Redirects are not followed. */
export async function call(where: string, options: CallOptions = {}): Promise<Answer> {
  const [method = "", url = ""] = where.split(" ");
  const { token, body } = options;
  const raw = body === undefined || typeof body === "string" || body instanceof Uint8Array;
  const response = await fetch(url, {
    method,
    redirect: "manual",
    headers: { ...(token === undefined ? {} : { Authorization: token }), ...options.headers },
    ...(body === undefined ? {} : { body: raw ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get("content-type") === "application/json";
  const { status, headers } = response;
  return { status, headers, text, body: isJson ? JSON.parse(text) : undefined };
}

export interface TestUser {
  readonly username: string;
  readonly password: string;
  readonly kind: Kind;
  readonly token: string;
}

let names = 0;
/** A name that nobody else in this test file has, of at most 20 characters. */
export const freshName = (what: string): string => `${what}-${++names}`;

/** Registers a user and logs in. */
export async function newUser(url: string, kind: Kind): Promise<TestUser> {
  const credentials = { username: freshName(kind), password: `pass word of ${freshName(kind)}` };
  const registered = await call(`POST ${url}/api/users`, { body: { ...credentials, kind } });
  if (registered.status !== 201) throw new Error(`${registered.status} ${registered.text}`);
  return { ...credentials, kind, token: await logIn(url, credentials) };
}

/** The token of a log-in that must succeed. */
export async function logIn(
  url: string,
  credentials: { username: string; password: string },
): Promise<string> {
  const { username, password } = credentials;
  const answer = await call(`POST ${url}/api/auth`, { body: { username, password } });
  const token = answer.headers.get("authorization");
  if (answer.status !== 200 || !token) throw new Error(`${answer.status} ${answer.text}`);
  return token;
}

let lastId = 1_000_000;

/** A customer whom the database has never seen, with a valid token. */
export async function mintCustomer(): Promise<{ id: number; username: string; token: string }> {
  const id = ++lastId;
  const username = `minted-${id}`;
  return { id, username, token: await tokens.issue({ id, username, kind: "customer" }) };
}

export const mintCustomers = (count: number) =>
  Promise.all(Array.from({ length: count }, mintCustomer));

export interface TestCoupon {
  readonly name: string;
  /** Where it is grabbed, from the slash on. */
  readonly path: string;
}

/** Adds a coupon of this seller's with `amount` units. */
export async function newCoupon(
  url: string,
  seller: TestUser,
  amount: number,
  name: string = freshName("coupon"),
): Promise<TestCoupon> {
  const list = `/api/users/${encodeURIComponent(seller.username)}/coupons`;
  const body = { name, amount, stock: 500, description: "five off" };
  const answer = await call(`POST ${url}${list}`, { token: seller.token, body });
  if (answer.status !== 201) throw new Error(`${answer.status} ${answer.text}`);
  return { name, path: `${list}/${encodeURIComponent(name)}` };
}

/** "won", the reason of a 204, or the status of anything else. Rejects when there is no answer, or with `signal`. */
export async function grab(
  url: string,
  coupon: TestCoupon,
  token: string,
  signal?: AbortSignal,
): Promise<string> {
  const response = await fetch(`${url}${coupon.path}`, {
    method: "PATCH",
    headers: { Authorization: token },
    ...(signal ? { signal } : {}),
  });
  await response.arrayBuffer();
  if (response.status === 201) return "won";
  if (response.status === 204) return response.headers.get("Grab-Result") ?? "no reason";
  return String(response.status);
}

/** As `grab`, and asks again after a 503, as a client does: on a busy machine a crowd may be too much at once. */
export const grabPatiently = (url: string, coupon: TestCoupon, token: string): Promise<string> =>
  until("an answer other than 503", async () => {
    const outcome = await grab(url, coupon, token);
    return outcome === "503" ? undefined : outcome;
  });

/** Waits until the service says of itself that nothing is wrong. */
export const untilWell = (url: string): Promise<boolean> =>
  until(`${url} to be well`, async () => (await call(`GET ${url}/readyz`)).text === "ok", {
    withinMs: 30_000,
  });

/** A user's list: the lines of one page; [] for 204. Throws on any other status than 200. */
export async function list<Line = { name: string; stock: number; left: number; amount: number }>(
  url: string,
  username: string,
  token: string,
  page?: number,
): Promise<Line[]> {
  const query = page === undefined ? "" : `?page=${page}`;
  const where = `GET ${url}/api/users/${encodeURIComponent(username)}/coupons${query}`;
  const answer = await call(where, { token });
  if (answer.status === 204) return [];
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
  return (answer.body as { data: Line[] }).data;
}

/** Does `work` for each item, `atOnce` at a time; the results stand in the order of the items. */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item, index: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  const lane = async () => {
    for (let at = next++; at < items.length; at = next++) {
      results[at] = await work(items[at] as Item, at);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return results;
}

/** How often each word occurs. */
export function tally(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}

// What the unit tests of the HTTP edge put in place of the services: the whole app, without a network and
// without a server, with services that remember what they were asked and answer what a test tells them.

import { BlockList } from "node:net";
import { createApp } from "../../src/app.ts";
import { createTokens, type Kind } from "../../src/auth/token.ts";
import type { NewSale, Sales } from "../../src/classic/sales.ts";
import { systemClock } from "../../src/clock.ts";
import type { GrabOutcome } from "../../src/grab/service.ts";
import { createLog } from "../../src/log.ts";
import { foldName } from "../../src/users/name.ts";
import type { UserFacts, Users } from "../../src/users/service.ts";

export const FAKE_SECRET = "0123456789abcdef0123456789abcdef";

interface Answered {
  status: number;
  headers: Headers;
  text: string;
}

/** What the services answer; a test changes it. */
const answers = () => ({
  grab: { kind: "granted", number: 1 } as GrabOutcome | Promise<GrabOutcome>,
  create: "created" as "created" | "duplicate" | "unavailable",
  page: '[{"name":"phone"}]',
  waitSeconds: 0,
  passwordsBusy: false,
  ready: "ok" as "ok" | "degraded" | "starting" | "stopping",
  /** Whether the sale is in memory. */
  warm: true,
  /** The seconds before somebody may ask for what is not in memory. */
  waitForUnknown: 0,
  revocationsLoaded: true,
  /** What look-ups, log-ins and log-outs throw. */
  broken: undefined as Error | undefined,
});

/** What the services were asked, in order; a test reads it. */
const questions = () => ({
  created: [] as NewSale[],
  grabs: [] as [number, string][],
  pages: [] as [string, string | number, number][],
  requests: [] as [string, string, number][],
  finds: 0,
  lookUps: 0,
});

type Told = ReturnType<typeof answers>;
type Asked = ReturnType<typeof questions>;
type Person = UserFacts & { password: string };

function fakeUsers(people: Map<string, Person>, told: Told, asked: Asked): Users {
  return {
    find: async (username) => {
      asked.finds++;
      if (told.broken) throw told.broken;
      return people.get(foldName(username));
    },
    register: async ({ username, password, kind }) => {
      if (told.passwordsBusy) return { kind: "busy" };
      if (people.has(foldName(username))) return { kind: "taken" };
      const user = { id: people.size + 1, username, kind };
      people.set(foldName(username), { ...user, password });
      return { kind: "created", user };
    },
    logIn: async ({ username, password }) => {
      if (told.broken) throw told.broken;
      if (told.passwordsBusy) return { kind: "busy" };
      const user = people.get(foldName(username));
      if (!user) return { kind: "unknown" };
      if (user.password !== password) return { kind: "wrong_password", user };
      return { kind: "ok", user, since: 0 };
    },
  };
}

/** One sale: the coupon `a/b c` of the seller `shop`. */
function fakeSales(told: Told, asked: Asked): Sales {
  const sale = { id: 42, sellerId: 1, name: "a/b c", faceValue: 100, description: "", total: 10 };
  const found = (seller: string, coupon: string) =>
    seller === "shop" && coupon === sale.name ? sale : undefined;
  return {
    peek: (seller, coupon) => (told.warm ? found(seller, coupon) : undefined),
    find: async (seller, coupon) => {
      asked.lookUps++;
      if (told.broken) throw told.broken;
      return found(seller, coupon);
    },
    create: async (input) => {
      asked.created.push(input);
      return told.create === "created" ? { kind: "created", sale } : { kind: told.create };
    },
    sellerPage: async (sellerId, page) => {
      asked.pages.push(["seller", sellerId, page]);
      return told.page;
    },
  };
}

interface Sending {
  /** Text and bytes are sent as they are, anything else as JSON. */
  body?: unknown;
  token?: string;
  headers?: Record<string, string>;
}

function requestOf(method: string, path: string, { body, token, headers }: Sending): Request {
  const raw = typeof body === "string" || body instanceof Uint8Array;
  return new Request(`http://localhost:20080${path}`, {
    method,
    headers: { ...(token === undefined ? {} : { Authorization: token }), ...headers },
    ...(body === undefined ? {} : { body: raw ? body : JSON.stringify(body) }),
  });
}

/** An app on fakes; change `told` to change what the services answer, read `asked` for what they heard. */
export function fakeApp(config: { classicGrabStatus?: 200 | 201 } = {}) {
  const people = new Map<string, Person>();
  const revoked = new Set<string>();
  const [told, asked] = [answers(), questions()];
  const tokens = createTokens(FAKE_SECRET, systemClock, ({ tokenId }) => revoked.has(tokenId));
  const throttled = () => Promise.resolve(told.waitSeconds);
  const app = createApp({
    config: { classicGrabStatus: 201, trustProxy: new BlockList(), ...config },
    log: createLog("silent"),
    tokens,
    revocations: {
      loaded: () => told.revocationsLoaded,
      revoke: async (tokenId) => {
        if (told.broken) throw told.broken;
        revoked.add(tokenId);
      },
    },
    users: fakeUsers(people, told, asked),
    sales: fakeSales(told, asked),
    wallet: {
      page: async (userId, page) => {
        asked.pages.push(["wallet", userId, page]);
        return told.page;
      },
    },
    grabs: {
      grab: async (saleId, userId) => {
        asked.grabs.push([saleId, userId]);
        return told.grab;
      },
      left: () => undefined,
      lookUp: (_userId, look) => told.waitForUnknown || look(),
    },
    v1: {
      fetch: async () => {
        if (told.broken) throw told.broken;
        return new Response("v1");
      },
    },
    v1Grab: async () => {
      const outcome = await told.grab;
      if (told.broken) throw told.broken;
      return new Response(outcome.kind);
    },
    throttle: { logIn: throttled, register: throttled },
    health: { ready: () => told.ready },
    metrics: { request: (...request) => asked.requests.push(request) },
  });

  async function send(method: string, path: string, sending: Sending = {}): Promise<Answered> {
    const response = await app.fetch(requestOf(method, path, sending));
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  const tokenFor = (username: string, kind: Kind = "customer", id = 7) =>
    tokens.issue({ id, username, kind });

  return { app, asked, told, people, send, tokenFor };
}

// What the unit tests of the HTTP edge put in place of the services: the whole app, without a network and
// without a server, with services that remember what they were asked and answer what a test tells them.

import { BlockList } from "node:net";
import { createApp } from "../app.ts";
import { createTokens, type Kind } from "../auth/token.ts";
import type { GrabOutcome } from "../grab/service.ts";
import { createLog } from "../log.ts";
import type { NewSale, SaleFacts } from "../sales/service.ts";
import { foldName } from "../users/name.ts";
import type { UserFacts } from "../users/service.ts";

export interface Answered {
  status: number;
  headers: Headers;
  text: string;
}

/** An app on fakes; change `told` to change what the services answer, read `asked` for what they heard. */
export function fakeApp(config: { classicGrabStatus?: 200 | 201 } = {}) {
  const people = new Map<string, UserFacts & { password: string }>();
  const revoked = new Set<string>();
  const tokens = createTokens("0123456789abcdef0123456789abcdef", { now: Date.now }, (id) =>
    revoked.has(id),
  );
  const asked = {
    created: [] as NewSale[],
    grabs: [] as [number, string][],
    pages: [] as [string, string | number, number][],
    requests: [] as [string, string, number][],
    finds: 0,
    lookUps: 0,
  };
  const told = {
    grab: { kind: "granted", number: 1 } as GrabOutcome | Promise<GrabOutcome>,
    create: "created" as "created" | "duplicate" | "unavailable",
    page: '[{"name":"phone"}]',
    waitSeconds: 0,
    passwordsBusy: false,
    ready: "ok" as "ok" | "degraded" | "starting" | "stopping",
    warm: true,
    revocationsLoaded: true,
    broken: undefined as Error | undefined,
  };
  const sale: SaleFacts = {
    id: 42,
    sellerId: 1,
    name: "phone",
    faceValue: 100,
    description: "",
    total: 10,
  };
  const throttled = () => Promise.resolve(told.waitSeconds);
  const isSale = (seller: string, coupon: string) => seller === "shop" && coupon === "a/b c";

  async function find(username: string) {
    asked.finds++;
    if (told.broken) throw told.broken;
    return people.get(foldName(username));
  }

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
    users: {
      find,
      register: async ({ username, password, kind }) => {
        if (told.passwordsBusy) return "busy";
        if (people.has(foldName(username))) return "taken";
        people.set(foldName(username), { id: people.size + 1, username, kind, password });
        return "created";
      },
      logIn: async ({ username, password }) => {
        if (told.broken) throw told.broken;
        if (told.passwordsBusy) return { kind: "busy" };
        const user = people.get(foldName(username));
        if (!user) return { kind: "unknown" };
        return { kind: user.password === password ? "ok" : "wrong_password", user };
      },
    },
    sales: {
      peek: (seller, coupon) => (told.warm && isSale(seller, coupon) ? sale : undefined),
      find: async (seller, coupon) => {
        asked.lookUps++;
        if (told.broken) throw told.broken;
        return isSale(seller, coupon) ? sale : undefined;
      },
      create: async (input) => {
        asked.created.push(input);
        return told.create === "created" ? { kind: "created", sale } : { kind: told.create };
      },
      sellerPage: async (sellerId, page) => {
        asked.pages.push(["seller", sellerId, page]);
        return told.page;
      },
    },
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
    },
    throttle: { logIn: throttled, register: throttled },
    health: { ready: () => told.ready },
    metrics: {
      request: (method, pattern, status) => asked.requests.push([method, pattern, status]),
    },
  });

  /** Sends a request; a body that is no text is sent as JSON. */
  async function send(
    method: string,
    path: string,
    {
      body,
      token,
      headers = {},
    }: { body?: unknown; token?: string; headers?: Record<string, string> } = {},
  ): Promise<Answered> {
    const request = new Request(`http://localhost:20080${path}`, {
      method,
      headers: { ...(token === undefined ? {} : { Authorization: token }), ...headers },
      ...(body === undefined
        ? {}
        : {
            body:
              typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body),
          }),
    });
    const response = await app.fetch(request);
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  const tokenFor = (username: string, kind: Kind = "customer", id = 7) =>
    tokens.issue({ id, username, kind });

  return { app, asked, told, people, send, tokenFor };
}

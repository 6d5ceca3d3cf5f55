// POST /v1/sales/:id/grab: the hot path of /v1. Like the classic one it has a single handler, no schema and no
// middleware, and answers that are mostly prepared; app.ts mounts it beside the classic routes.

import { createHash } from "node:crypto";
import type { Tokens } from "../auth/token.ts";
import type { Durability } from "../config.ts";
import type { CouponCodes } from "../coupons/code.ts";
import { IDEMPOTENCY_KEY, keyFault } from "../idempotency/key.ts";
import { limits } from "../limits.ts";
import { Problem, problemResponse } from "../problem.ts";
import { actorOf, isKey, type Keys } from "../v1/actor.ts";
import { burstOf } from "./buckets.ts";
import type { Unavailable } from "./outcome.ts";
import type { GrabSale } from "./sale.ts";
import type { GrabOutcome, Grabs } from "./service.ts";

export interface V1GrabDeps {
  readonly tokens: Pick<Tokens, "verify">;
  readonly keys: Keys;
  readonly grabSales: {
    /** Memory only. */
    peek(saleId: number): GrabSale | undefined;
    get(saleId: number): Promise<GrabSale | undefined>;
  };
  readonly grabs: Grabs;
  readonly codes: Pick<CouponCodes, "codeOf">;
  readonly durability: Durability;
  readonly now: () => number;
}

const SCHEME_CHARS = "bearer ".length;
const SAFE = { "Content-Type": "application/json", "X-Content-Type-Options": "nosniff" };

const timeOf = (ms: number | null): string | null =>
  ms === null ? null : new Date(ms).toISOString();
const timeText = (ms: number | null): string => (ms === null ? "null" : `"${timeOf(ms)}"`);
const SALE_ID = /^[1-9]\d{0,14}$/;
const KEY_HASH_CHARS = 32;

/** What stands for an Idempotency-Key in Redis and in `grants`: short, of letters and digits. */
const keyHashOf = (key: string): string =>
  createHash("sha256").update(key).digest("hex").slice(0, KEY_HASH_CHARS);

const ONLY_CUSTOMERS = { detail: "Only customers grab." };

const UNAVAILABLE: Readonly<Record<Unavailable, string>> = {
  recovering: "Grabs are being restored. Try again in a moment.",
  backlog: "Too many grabs wait to be recorded. Try again in a moment.",
  overloaded: "Too many grabs at once. Try again in a moment.",
  unknown: "It is not known whether the grab succeeded. Repeat it: you cannot get two.",
};

export function createV1Grab(deps: V1GrabDeps) {
  const { tokens, grabSales, grabs, codes, durability, now } = deps;

  const headersOf = (sale: GrabSale, userId: string): Record<string, string> => {
    const left = grabs.left(sale.id, userId, sale.grabsPerSecond ?? undefined);
    if (left === undefined) return SAFE;
    const perSecond = sale.grabsPerSecond ?? limits.grabsPerSecond;
    return {
      ...SAFE,
      "RateLimit-Limit": String(burstOf(perSecond)),
      "RateLimit-Remaining": String(left),
      // After this many seconds one more is allowed than remains now.
      "RateLimit-Reset": "1",
    };
  };

  function won(sale: GrabSale, userId: string, number: number, repeated: boolean): Response {
    const code = codes.codeOf(sale.codeKey, sale.id, number, Number(userId));
    const body =
      `{"saleId":${sale.id},"number":${number},"code":${code === undefined ? "null" : `"${code}"`},` +
      `"repeated":${repeated},"opensAt":${timeText(sale.opensAt)},"closesAt":${timeText(sale.closesAt)},` +
      `"durability":"${durability}"}`;
    return new Response(body, { status: repeated ? 200 : 201, headers: headersOf(sale, userId) });
  }

  function answer(sale: GrabSale, userId: string, outcome: GrabOutcome): Response {
    switch (outcome.kind) {
      case "granted":
        return won(sale, userId, outcome.number, false);
      case "repeated":
        return won(sale, userId, outcome.number, true);
      case "sold_out":
        return problemResponse("sold-out");
      case "limit_reached":
        return problemResponse("limit-reached", { limit: sale.userLimit });
      case "key_required":
        return problemResponse("key-required");
      case "not_started":
        return problemResponse("not-started", {
          opensAt: timeOf(sale.opensAt),
          serverTime: timeOf(now()),
        });
      case "ended":
        return problemResponse("ended", { closesAt: timeOf(sale.closesAt) });
      case "paused":
        return problemResponse("paused");
      case "too_fast": {
        const headers = {
          ...headersOf(sale, userId),
          "Content-Type": "application/problem+json",
          "Retry-After": String(outcome.retryAfterSeconds),
        };
        return problemResponse("too-fast", { headers });
      }
      case "unavailable": {
        const headers = { "Retry-After": String(outcome.retryAfterSeconds) };
        return problemResponse("unavailable", { detail: UNAVAILABLE[outcome.reason], headers });
      }
    }
  }

  function grabAt(sale: GrabSale, userId: string, request: Request): Promise<Response> | Response {
    let keyHash = "";
    // With a limit of one the user alone names the grab.
    if (sale.userLimit > 1) {
      const key = request.headers.get("idempotency-key");
      if (key === null) return problemResponse("key-required");
      if (!IDEMPOTENCY_KEY.test(key)) return problemResponse("validation", { errors: [keyFault] });
      keyHash = keyHashOf(key);
    }
    return grabs
      .grab(sale.id, userId, keyHash, sale.grabsPerSecond ?? undefined)
      .then((outcome) => answer(sale, userId, outcome));
  }

  /** A service that is known is told that it may not, as everywhere. */
  const refuseService = (header: string): Promise<Response> =>
    actorOf(header, deps).then(
      () => problemResponse("forbidden", ONLY_CUSTOMERS),
      (error: unknown) => {
        if (error instanceof Problem) return problemResponse(error.code, error.particulars);
        throw error;
      },
    );

  /** `id` is the sale's, from the path. */
  return (request: Request, id: string): Response | Promise<Response> => {
    const header = request.headers.get("authorization");
    if (header === null || header.charCodeAt(SCHEME_CHARS - 1) !== 32)
      return problemResponse("unauthenticated");
    const check = tokens.verify(header);
    if (!check.ok && isKey(header)) return refuseService(header);
    if (!check.ok)
      return problemResponse(check.reason === "revoked" ? "token-revoked" : "invalid-token");
    const { userId, kind } = check.claims;
    if (kind !== "customer") return problemResponse("forbidden", ONLY_CUSTOMERS);
    if (!SALE_ID.test(id)) return problemResponse("not-found");
    const saleId = Number(id);
    const sale = grabSales.peek(saleId);
    if (sale !== undefined) return grabAt(sale, userId, request);
    return grabSales
      .get(saleId)
      .then((found) =>
        found === undefined ? problemResponse("not-found") : grabAt(found, userId, request),
      );
  };
}

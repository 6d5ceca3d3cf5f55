// What a grab of /v1 is answered with. A winner's answer is put together from prepared parts: it is the one that
// a storm asks for most, and the process that gives it has the least time.

import type { Durability } from "../config.ts";
import type { CouponCodes } from "../coupons/code.ts";
import { problemResponse } from "../problem.ts";
import { timeOf } from "../time.ts";
import { burstOf } from "./buckets.ts";
import type { Unavailable } from "./outcome.ts";
import { type GrabSale, rateAt } from "./sale.ts";
import type { GrabOutcome, Grabs } from "./service.ts";

const SAFE = { "Content-Type": "application/json", "X-Content-Type-Options": "nosniff" };

const UNAVAILABLE: Readonly<Record<Unavailable, string>> = {
  recovering: "Grabs are being restored. Try again in a moment.",
  backlog: "Too many grabs wait to be recorded. Try again in a moment.",
  overloaded: "Too many grabs at once. Try again in a moment.",
  unknown: "It is not known whether the grab succeeded. Repeat it: you cannot get two.",
};

/** How fast one may grab, and how often at once now; nothing when rates are not limited. */
function rateHeaders(perSecond: number, left: number | undefined): Record<string, string> {
  if (left === undefined) return {};
  const burst = burstOf(perSecond);
  return {
    "RateLimit-Limit": String(burst),
    "RateLimit-Remaining": String(left),
    // Seconds until all of them are there again.
    "RateLimit-Reset": String(Math.ceil((burst - left) / perSecond)),
  };
}

/** What is the same for the winners of a sale. */
interface Prepared {
  readonly end: string;
  /**
   * For whoever has not grabbed there lately, as nearly all in a storm, and for everybody where rates are not limited:
   * made of five fields, headers cost a microsecond.
   */
  readonly usual: { readonly left: number | undefined; readonly headers: Headers };
}

export interface GrabAnswersDeps {
  readonly grabs: Pick<Grabs, "left">;
  readonly codes: Pick<CouponCodes, "codeOf">;
  readonly durability: Durability;
}

/** Makes the answer to an outcome, for a user of a sale. */
export function createGrabAnswers({ grabs, codes, durability }: GrabAnswersDeps) {
  /** A record that is replaced takes its own with it. */
  const prepared = new WeakMap<GrabSale, Prepared>();
  const leftAt = (sale: GrabSale, userId: string) => grabs.left(sale.id, userId, rateAt(sale));

  function preparedFor(sale: GrabSale, isLimited: boolean): Prepared {
    const known = prepared.get(sale);
    if (known !== undefined) return known;
    const times = { opensAt: timeOf(sale.opensAt), closesAt: timeOf(sale.closesAt) };
    const left = isLimited ? burstOf(rateAt(sale)) - 1 : undefined;
    const headers = new Headers({ ...SAFE, ...rateHeaders(rateAt(sale), left) });
    const end = `,${JSON.stringify({ ...times, durability }).slice(1)}`;
    const made = { end, usual: { left, headers } };
    prepared.set(sale, made);
    return made;
  }

  function won(sale: GrabSale, userId: string, number: number, repeated: boolean): Response {
    const left = leftAt(sale, userId);
    const { end, usual } = preparedFor(sale, left !== undefined);
    const code = codes.codeOf(sale.codeKey, sale.id, number, Number(userId));
    const body =
      `{"saleId":${sale.id},"number":${number},"code":${code === undefined ? "null" : `"${code}"`},` +
      `"repeated":${repeated}${end}`;
    const headers =
      left === usual.left ? usual.headers : { ...SAFE, ...rateHeaders(rateAt(sale), left) };
    return new Response(body, { status: repeated ? 200 : 201, headers });
  }

  return (sale: GrabSale, userId: string, outcome: GrabOutcome): Response => {
    if (outcome.kind === "granted") return won(sale, userId, outcome.number, false);
    if (outcome.kind === "repeated") return won(sale, userId, outcome.number, true);
    const headers: Record<string, string> = rateHeaders(rateAt(sale), leftAt(sale, userId));
    switch (outcome.kind) {
      case "sold_out":
        return problemResponse("sold-out", { headers });
      case "limit_reached":
        return problemResponse("limit-reached", { headers, limit: sale.userLimit });
      case "key_required":
        return problemResponse("key-required", { headers });
      case "not_started": {
        const [opensAt, serverTime] = [timeOf(outcome.opensAt), timeOf(outcome.serverTime)];
        return problemResponse("not-started", { headers, opensAt, serverTime });
      }
      case "ended":
        return problemResponse("ended", { headers, closesAt: timeOf(sale.closesAt) });
      case "paused":
        return problemResponse("paused", { headers });
      case "too_fast": {
        headers["Retry-After"] = String(outcome.retryAfterSeconds);
        return problemResponse("too-fast", { headers });
      }
      case "unavailable": {
        headers["Retry-After"] = String(outcome.retryAfterSeconds);
        return problemResponse("unavailable", { detail: UNAVAILABLE[outcome.reason], headers });
      }
    }
  };
}

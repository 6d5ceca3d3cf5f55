// The grab over HTTP: the hottest code at the edge. Nothing is allocated that need not be: answers are
// prepared, names come from memory, and where no look-up is needed the grab is the only thing waited for.

import type { Tokens } from "../auth/token.ts";
import type { GrabOutcome, Grabs } from "../grab/service.ts";
import { type Answer, fixed, nothing, refusal, refuse, unauthorized } from "./answers.ts";
import type { Sales } from "./sales.ts";

export interface GrabDeps {
  tokens: Tokens;
  sales: Pick<Sales, "peek" | "find">;
  grabs: Grabs;
  /** What a won grab is answered with: 201 in one of the originals, 200 in the other. */
  wonStatus: 200 | 201;
}

type Refused = Exclude<GrabOutcome["kind"], "granted" | "too_fast" | "unavailable">;

// The originals answer 204 to whoever cannot have one. The header says why.
const empty: Readonly<Record<Refused, Answer>> = {
  repeated: nothing("repeated"),
  sold_out: nothing("sold_out"),
  limit_reached: nothing("limit_reached"),
  key_required: nothing("key_required"),
  not_started: nothing("not_started"),
  ended: nothing("ended"),
  paused: nothing("paused"),
};
const notFound = nothing("not_found");
const seller = refusal(401, "Sellers aren't allowed to get coupons.");
const admin = refusal(401, "Admins aren't allowed to get coupons.");

/** A refusal that names the time to wait; nearly always the same second, so that one is prepared. */
function later(status: number, text: string): (seconds: number) => Response {
  const inOneSecond = refusal(status, text, { "Retry-After": "1" });
  return (seconds) =>
    seconds === 1 ? inOneSecond() : refuse(status, text, { "Retry-After": String(seconds) });
}

const tooFast = later(429, "Too many grabs. Slow down.");
const unavailable = {
  recovering: later(503, "Grabs are being restored. Try again in a moment."),
  backlog: later(503, "Too many grabs wait to be recorded. Try again in a moment."),
  overloaded: later(503, "Too many grabs at once. Try again in a moment."),
  unknown: later(503, "It is not known whether the grab succeeded. Try again: you cannot get two."),
} as const;

export function createGrab({ tokens, sales, grabs, wonStatus }: GrabDeps) {
  const won = fixed(wonStatus, { errMsg: "" });

  const answer = (outcome: GrabOutcome): Response => {
    switch (outcome.kind) {
      case "granted":
        return won();
      case "too_fast":
        return tooFast(outcome.retryAfterSeconds);
      case "unavailable":
        return unavailable[outcome.reason](outcome.retryAfterSeconds);
      default:
        return empty[outcome.kind]();
    }
  };

  /** `sellerName` and `couponName` come from the path, decoded. */
  return (
    request: Request,
    sellerName: string,
    couponName: string,
  ): Response | Promise<Response> => {
    const check = tokens.verify(request.headers.get("authorization"));
    if (!check.ok) return unauthorized[check.reason]();
    const { userId, kind } = check.claims;
    if (kind !== "customer") return kind === "admin" ? admin() : seller();
    const sale = sales.peek(sellerName, couponName);
    if (sale !== undefined) return grabs.grab(sale.id, userId).then(answer);
    const search = grabs.lookUp(userId, () => sales.find(sellerName, couponName));
    if (typeof search === "number") return tooFast(search);
    return search.then((found) =>
      found === undefined ? notFound() : grabs.grab(found.id, userId).then(answer),
    );
  };
}

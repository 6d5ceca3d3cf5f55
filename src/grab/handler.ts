// POST /v1/sales/:id/grab: the hot path of /v1. Like the classic one it has a single handler, no schema and no
// middleware. What carries more than a grab needs, a body or a query, goes the long way (routes.ts), where it
// is looked at as on every route.

import { createHash } from "node:crypto";
import type { ServiceKeys } from "../auth/keys.ts";
import type { Tokens } from "../auth/token.ts";
import { IDEMPOTENCY_KEY, keyFault } from "../idempotency/key.ts";
import { Problem, problemResponse } from "../problem.ts";
import { actorOf, isKey } from "../v1/actor.ts";
import { createGrabAnswers, type GrabAnswersDeps } from "./answers.ts";
import { type GrabSale, rateAt } from "./sale.ts";
import type { Grabs } from "./service.ts";

export interface V1GrabDeps extends GrabAnswersDeps {
  readonly tokens: Pick<Tokens, "verify">;
  readonly keys: ServiceKeys;
  readonly grabSales: {
    /** Memory only. */
    peek(saleId: number): GrabSale | undefined;
    get(saleId: number): Promise<GrabSale | undefined>;
    /** What somebody waits for already. */
    loading(saleId: number): Promise<GrabSale | undefined> | undefined;
    /** What is cached of it is not so any more; never rejects. */
    renew(saleId: number): Promise<void>;
  };
  readonly grabs: Grabs;
}

/** Answers a grab; `id` is the sale's, from the path. */
export type V1Grab = (request: Request, id: string) => Response | Promise<Response>;

const SCHEME_CHARS = "bearer ".length;
const SALE_ID = /^[1-9]\d{0,14}$/;
const KEY_HASH_CHARS = 32;

/** What stands for an Idempotency-Key in Redis and in `grants`: short, of letters and digits. */
const keyHashOf = (key: string): string =>
  createHash("sha256").update(key).digest("hex").slice(0, KEY_HASH_CHARS);

const isNamed = ({ headers }: Request): boolean =>
  IDEMPOTENCY_KEY.test(headers.get("idempotency-key") ?? "");

const JUST_CHANGED = { detail: "The sale has just changed. Repeat the grab." };
/** As on the long way. */
const ONLY_CUSTOMERS = { detail: "This is for: customer." };

/** True for a request that says nothing but who asks for what. */
export function isBareGrab({ url, headers }: Request): boolean {
  const length = headers.get("content-length");
  return (
    (length === null || length === "0") && !headers.has("transfer-encoding") && !url.includes("?")
  );
}

export function createV1Grab(deps: V1GrabDeps): V1Grab {
  const { tokens, grabSales, grabs } = deps;
  const answer = createGrabAnswers(deps);

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
      .grab(sale.id, userId, keyHash, rateAt(sale))
      .then((outcome) =>
        outcome.kind === "key_required" && isNamed(request)
          ? refuseByOldRecord(sale)
          : answer(sale, userId, outcome),
      );
  }

  /** Redis has a limit that demands the key, and it was left out because the record says otherwise. */
  function refuseByOldRecord(sale: GrabSale): Response {
    if (grabSales.peek(sale.id) === sale) void grabSales.renew(sale.id);
    return problemResponse("unavailable", JUST_CHANGED);
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

  return (request, id) => {
    const header = request.headers.get("authorization");
    if (header === null || header.charCodeAt(SCHEME_CHARS - 1) !== 32)
      return problemResponse("unauthenticated");
    const check = tokens.verify(header);
    if (!check.ok && !/^bearer /i.test(header)) return problemResponse("unauthenticated");
    if (!check.ok && isKey(header)) return refuseService(header);
    if (!check.ok)
      return problemResponse(check.reason === "revoked" ? "token-revoked" : "invalid-token");
    const { userId, kind } = check.claims;
    if (kind !== "customer") return problemResponse("forbidden", ONLY_CUSTOMERS);
    if (!SALE_ID.test(id)) return problemResponse("not-found");
    const saleId = Number(id);
    const sale = grabSales.peek(saleId);
    if (sale !== undefined) return grabAt(sale, userId, request);
    const search = grabSales.loading(saleId) ?? grabs.lookUp(userId, () => grabSales.get(saleId));
    if (typeof search === "number")
      return problemResponse("too-fast", { headers: { "Retry-After": String(search) } });
    return search.then((found) =>
      found === undefined ? problemResponse("not-found") : grabAt(found, userId, request),
    );
  };
}

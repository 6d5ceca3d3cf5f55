// /v1/coupons: a user's wallet, and what orders do with the coupons in it. For the owner, and for services that act
// for the owner.

import { createRoute, z } from "@hono/zod-openapi";
import { Problem } from "../problem.ts";
import { pageOf, pageQuery, pageSchema, placesOf } from "../v1/cursor.ts";
import type { Edge } from "../v1/edge.ts";
import { idParam, jsonAnswer, refusalsOf, SIGNED_IN } from "../v1/schemas.ts";
import { changesOfAll, changesOfOne } from "./changes.ts";
import { ownerOf } from "./owner.ts";
import { COUPON_STATES } from "./row.ts";
import { codeParams, couponChangeSchema, couponSchema, wholeCouponSchema } from "./schema.ts";
import type { Coupons } from "./service.ts";
import type { CouponWallet } from "./wallet.ts";

const tags = ["coupons"];
const userId = idParam.optional().openapi({
  description: "Whose coupons: services must say so, users have their own.",
});

const listThem = createRoute({
  ...{ method: "get", path: "/v1/coupons", tags },
  summary: "List a user's coupons, newest first",
  description:
    "A coupon is here as soon as its grab was answered. A lock that ran out and a time that is over show at once. " +
    "What a coupon is for, and what it can be used together with, `GET /v1/coupons/{code}` shows.",
  request: {
    query: z.strictObject({ ...pageQuery, state: z.enum(COUPON_STATES).optional(), userId }),
  },
  responses: {
    200: jsonAnswer(pageSchema(couponSchema), "A page."),
    ...refusalsOf(...SIGNED_IN, "validation", "unavailable"),
  },
});

const getOne = createRoute({
  ...{ method: "get", path: "/v1/coupons/{code}", tags },
  summary: "Show a coupon with all that its template says of it",
  request: { params: codeParams, query: z.strictObject({ userId }) },
  responses: {
    200: jsonAnswer(wholeCouponSchema, "The coupon."),
    ...refusalsOf(...SIGNED_IN, "not-found", "validation", "unavailable"),
  },
});

const getHistory = createRoute({
  ...{ method: "get", path: "/v1/coupons/{code}/history", tags },
  summary: "List what has become of a coupon, newest first",
  description:
    "All its locks and uses and how they ended, for which orders, and by whom: its owner, a service, or time. A use " +
    "that was reverted stays in it.",
  request: { params: codeParams, query: z.strictObject({ ...pageQuery, userId }) },
  responses: {
    200: jsonAnswer(pageSchema(couponChangeSchema), "A page."),
    ...refusalsOf(...SIGNED_IN, "not-found", "validation", "unavailable"),
  },
});

const PARAMETER = { parameter: "userId" };

export interface CouponRouteDeps {
  readonly coupons: Coupons;
  readonly wallet: CouponWallet;
  readonly edge: Edge;
}

export const couponRoutes = (deps: CouponRouteDeps) => {
  const { wallet, edge } = deps;
  return edge
    .router()
    .openapi({ ...listThem, middleware: edge.for() }, async (c) => {
      const { limit, cursor, state, userId: named } = c.req.valid("query");
      const [saleId, number] = placesOf(cursor, 2) ?? [];
      const found = await wallet.list({
        userId: ownerOf(c.get("actor"), named, PARAMETER),
        state,
        after: saleId === undefined || number === undefined ? undefined : { saleId, number },
        count: limit + 1,
      });
      return c.json(
        pageOf(found, limit, ({ saleId: sale, grantNo }) => [sale, grantNo]),
        200,
      );
    })
    .openapi({ ...getOne, middleware: edge.for() }, async (c) => {
      const owner = ownerOf(c.get("actor"), c.req.valid("query").userId, PARAMETER);
      const coupon = await wallet.find(owner, c.req.valid("param").code);
      if (!coupon) throw new Problem("not-found");
      return c.json(coupon, 200);
    })
    .openapi({ ...getHistory, middleware: edge.for() }, async (c) => {
      const { limit, cursor, userId: named } = c.req.valid("query");
      const page = { before: placesOf(cursor, 1)?.[0], count: limit + 1 };
      const owner = ownerOf(c.get("actor"), named, PARAMETER);
      const lines = await wallet.history(owner, c.req.valid("param").code, page);
      if (!lines) throw new Problem("not-found");
      const { items, nextCursor } = pageOf(lines, limit, ({ id }) => [id]);
      return c.json({ items: items.map(({ change }) => change), nextCursor }, 200);
    })
    .route("/", changesOfOne(deps))
    .route("/", changesOfAll(deps));
};

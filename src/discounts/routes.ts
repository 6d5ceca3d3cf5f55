// /v1/discounts and /v1/coupons/available: what a user's coupons do for an order. For the owner, and for services
// that act for the owner. The rules are in docs/discounts.md.

import { createRoute } from "@hono/zod-openapi";
import { ownerOf } from "../coupons/owner.ts";
import { Problem } from "../problem.ts";
import type { Edge } from "../v1/edge.ts";
import { jsonAnswer, jsonBody, ONCE, refusalsOf, SIGNED_IN, WITH_BODY } from "../v1/schemas.ts";
import type { Refused } from "./outcome.ts";
import { availableSchema, calculatedSchema, calculateSchema, offersSchema } from "./schema.ts";
import type { Discounts } from "./service.ts";

const tags = ["discounts"];
const refusals = [...SIGNED_IN, ...WITH_BODY, ...ONCE, "unavailable"] as const;

const calculateIt = createRoute({
  ...{ method: "post", path: "/v1/discounts/calculate", tags },
  summary: "Calculate what coupons take off an order",
  description:
    "Nothing is locked or used. A coupon that does not apply is passed over and says why; coupons that cannot be used together are refused.",
  request: jsonBody(calculateSchema),
  responses: {
    200: jsonAnswer(calculatedSchema, "The amounts, by coupon and by item."),
    ...refusalsOf(...refusals, "coupons-not-combinable"),
  },
});

const askForThem = createRoute({
  ...{ method: "post", path: "/v1/coupons/available", tags },
  summary: "Show what one's coupons could take off an order, and the best combination",
  description:
    "All coupons that are neither used nor over, those that expire first at the top; of those of one template that do the same, as many as one order can use, and how many more there are. Nothing is locked or used.",
  request: jsonBody(availableSchema),
  responses: {
    200: jsonAnswer(offersSchema, "Each coupon by itself, and the best of them together."),
    ...refusalsOf(...refusals),
  },
});

const POINTER = { pointer: "/userId" };

function notTogether({ violations }: Refused, codes: readonly string[]): Problem {
  const errors = violations.flatMap((violation) =>
    violation.codes.map((code) => ({
      pointer: `/codes/${codes.indexOf(code)}`,
      detail: violation.detail,
    })),
  );
  const detail = violations.map((violation) => violation.detail).join(" ");
  return new Problem("coupons-not-combinable", { detail, violations, errors });
}

export const discountRoutes = ({ discounts, edge }: { discounts: Discounts; edge: Edge }) =>
  edge
    .router()
    .openapi({ ...calculateIt, middleware: edge.posting() }, async (c) => {
      const { userId, orderSn, codes, asOf, ...order } = c.req.valid("json");
      const owner = ownerOf(c.get("actor"), userId, POINTER);
      const result = await discounts.calculate({ userId: owner, orderSn }, order, codes, asOf);
      if (result.kind === "refused") throw notTogether(result, codes);
      const { kind: _, ...amounts } = result;
      return c.json({ ...amounts, asOf: result.asOf.toISOString() }, 200);
    })
    .openapi({ ...askForThem, middleware: edge.posting() }, async (c) => {
      const { userId, orderSn, ...order } = c.req.valid("json");
      const owner = ownerOf(c.get("actor"), userId, POINTER);
      const { asOf, offers, hasMore, best } = await discounts.available(
        { userId: owner, orderSn },
        order,
      );
      const coupons = offers.map(({ templateId, templateName, expiresAt, alone, ...shown }) => ({
        ...shown,
        template: { id: templateId, name: templateName },
        expiresAt: expiresAt?.toISOString() ?? null,
        ...alone,
      }));
      const { codes, exact, calculation } = best;
      const { kind: _, ...amounts } = calculation;
      const answer = { asOf: asOf.toISOString(), coupons, hasMore };
      return c.json({ ...answer, best: { ...amounts, codes, exact } }, 200);
    });

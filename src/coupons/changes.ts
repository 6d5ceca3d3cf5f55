// POST /v1/coupons/…/lock, unlock, use and revert, for one coupon and for several at once.

import { createRoute, type z } from "@hono/zod-openapi";
import type { ProblemCode } from "../errors.ts";
import { limits } from "../limits.ts";
import { Problem } from "../problem.ts";
import type { Actor } from "../v1/actor.ts";
import type { Edge } from "../v1/edge.ts";
import { jsonAnswer, jsonBody, ONCE, refusalsOf, SIGNED_IN, WITH_BODY } from "../v1/schemas.ts";
import type { Coupon } from "./coupon.ts";
import { ownerOf } from "./owner.ts";
import type { Refusal, Wish } from "./plan.ts";
import {
  changedAllSchema,
  changedOneSchema,
  codeParams,
  lockAllSchema,
  lockOneSchema,
  undoAllSchema,
  undoOneSchema,
  useAllSchema,
  useOneSchema,
} from "./schema.ts";
import type { Coupons } from "./service.ts";

type Action = Wish["action"];

const TAKING = [
  ...["coupon-locked", "coupon-used", "coupon-expired", "coupon-not-yet-valid"],
  ...["template-limit-reached", "template-budget-exhausted", "coupons-not-combinable"],
] as ProblemCode[];

const TOGETHER =
  `An order takes at most ${limits.couponsPerOrderMax} coupons, and none that cannot be used together, however many ` +
  "calls it takes them with: `violations` has the rules that it would break.";

/** What each is, and what it may refuse besides what every POST about coupons refuses. */
const ACTIONS: Readonly<
  Record<Action, { summary: string; description: string; refusals: readonly ProblemCode[] }>
> = {
  lock: {
    summary: "Lock coupons for an order",
    description:
      "No other order can use them until the lock ends. Repeated for the same order while the lock runs it changes " +
      "nothing, the end stays. A lock that ran out is gone by itself. A coupon of a disabled template can still be " +
      `locked and used: disabling ends sales, not what somebody holds. ${TOGETHER}`,
    refusals: TAKING,
  },
  unlock: {
    summary: "Make sure that an order has no lock on coupons",
    description:
      "Changes nothing where the order has none, so it is safe to undo an order with. What a service has locked only " +
      "a service can unlock, not the owner.",
    refusals: ["coupon-used", "held-by-service"],
  },
  use: {
    summary: "Use coupons for an order",
    description:
      "From the order's own lock, also when the coupon has expired since it was taken, or straight from unused. " +
      "The discount may not be more than the coupon can take off at all. The limit of the user and the budget of " +
      `the template count at a lock, or here where there was none. ${TOGETHER}`,
    refusals: [...TAKING, "currency-mismatch", "discount-too-large"],
  },
  revert: {
    summary: "Make sure that an order has not used coupons",
    description:
      "They are unused again, or expired if their time is over; the history keeps the use. Changes nothing where " +
      "the order has not used them, so it is safe to undo an order with. What a service has locked or used only a " +
      "service can revert, not the owner.",
    refusals: ["held-by-service"],
  },
};

const common = (action: Action) => {
  const { summary, description, refusals } = ACTIONS[action];
  return {
    ...{ tags: ["coupons"], summary, description },
    refusals: refusalsOf(
      ...[...SIGNED_IN, ...WITH_BODY, ...ONCE, ...refusals],
      ...(["not-found", "coupon-not-recorded", "unavailable"] as const),
    ),
  };
};

const oneRoute = <Of extends Action, Body extends z.ZodType>(action: Of, body: Body) => {
  const { refusals, ...texts } = common(action);
  return createRoute({
    ...{ method: "post", path: `/v1/coupons/{code}/${action}`, ...texts },
    request: { params: codeParams, ...jsonBody(body) },
    responses: { 200: jsonAnswer(changedOneSchema, "The coupon as it is now."), ...refusals },
  });
};

const allRoute = <Of extends Action, Body extends z.ZodType>(action: Of, body: Body) => {
  const { refusals, summary, ...texts } = common(action);
  return createRoute({
    ...{ method: "post", path: `/v1/coupons/${action}`, ...texts },
    summary: `${summary}, all or none`,
    request: jsonBody(body),
    responses: { 200: jsonAnswer(changedAllSchema, "The coupons as they are now."), ...refusals },
  });
};

/** A refusal of one coupon as a problem; `code` says which. */
function problemOf(coupon: string, refusal: Refusal): Problem {
  const of = { coupon };
  switch (refusal.kind) {
    case "locked":
      return new Problem("coupon-locked", { ...of, lockedUntil: refusal.lockedUntil });
    case "used":
      return new Problem("coupon-used", of);
    case "held-by-service":
      return new Problem("held-by-service", of);
    case "used-otherwise":
      return new Problem("coupon-used", {
        ...of,
        detail: "This order has used it, with other amounts. Revert it first.",
      });
    case "expired":
      return new Problem("coupon-expired", { ...of, expiresAt: refusal.expiresAt });
    case "early":
      return new Problem("coupon-not-yet-valid", { ...of, validFrom: refusal.validFrom });
    case "currency":
      return new Problem("currency-mismatch", { ...of, currency: refusal.currency });
    case "too-much":
      return new Problem("discount-too-large", { ...of, most: refusal.most });
    case "user-limit":
      return new Problem("template-limit-reached", { ...of, limit: refusal.limit });
    case "budget":
      return new Problem("template-budget-exhausted", of);
  }
}

interface OrderBody {
  readonly orderSn: string;
  readonly userId?: number | undefined;
}

export interface ChangeDeps {
  readonly coupons: Coupons;
  readonly edge: Edge;
}

/** Asks for the change; throws the refusal. */
async function make(
  coupons: Coupons,
  actor: Actor,
  { orderSn, userId }: OrderBody,
  wishes: ReadonlyMap<string, Wish>,
): Promise<{ coupons: readonly Coupon[]; changed: boolean }> {
  const owner = ownerOf(actor, userId, { pointer: "/userId" });
  const acting = { userId: owner, actor: actor.name, byService: actor.kind === "key" };
  const outcome = await coupons.change(acting, orderSn, wishes);
  switch (outcome.kind) {
    case "done":
      return outcome;
    case "unknown":
      throw new Problem("not-found", { coupon: outcome.code });
    case "unrecorded":
      throw new Problem("coupon-not-recorded", { coupon: outcome.code });
    case "refused":
      throw problemOf(outcome.code, outcome.refusal);
    case "not-together": {
      const { violations } = outcome;
      const detail = violations.map((violation) => violation.detail).join(" ");
      throw new Problem("coupons-not-combinable", { detail, violations });
    }
  }
}

const wishFor = (codes: readonly string[], wish: Wish): Map<string, Wish> =>
  new Map(codes.map((code) => [code, wish]));

/** One coupon, whose code is in the path. */
export const changesOfOne = ({ coupons, edge }: ChangeDeps) => {
  const middleware = edge.posting();
  const change = async (actor: Actor, body: OrderBody, code: string, wish: Wish) => {
    const { coupons: made, changed } = await make(coupons, actor, body, wishFor([code], wish));
    return { coupon: made[0] as Coupon, changed };
  };
  return edge
    .router()
    .openapi({ ...oneRoute("lock", lockOneSchema), middleware }, async (c) => {
      const [{ code }, { ttlSeconds, ...order }] = [c.req.valid("param"), c.req.valid("json")];
      const wish = { action: "lock", ttlSeconds } as const;
      return c.json(await change(c.get("actor"), order, code, wish), 200);
    })
    .openapi({ ...oneRoute("unlock", undoOneSchema), middleware }, async (c) => {
      const [{ code }, order] = [c.req.valid("param"), c.req.valid("json")];
      return c.json(await change(c.get("actor"), order, code, { action: "unlock" }), 200);
    })
    .openapi({ ...oneRoute("use", useOneSchema), middleware }, async (c) => {
      const [{ code }, { amounts, ...order }] = [c.req.valid("param"), c.req.valid("json")];
      return c.json(await change(c.get("actor"), order, code, { action: "use", amounts }), 200);
    })
    .openapi({ ...oneRoute("revert", undoOneSchema), middleware }, async (c) => {
      const [{ code }, order] = [c.req.valid("param"), c.req.valid("json")];
      return c.json(await change(c.get("actor"), order, code, { action: "revert" }), 200);
    });
};

/** Several coupons of one user, all or none. */
export const changesOfAll = ({ coupons, edge }: ChangeDeps) => {
  const middleware = edge.posting();
  const change = async (actor: Actor, body: OrderBody, wishes: ReadonlyMap<string, Wish>) => {
    const { coupons: made, changed } = await make(coupons, actor, body, wishes);
    return { coupons: [...made], changed };
  };
  return edge
    .router()
    .openapi({ ...allRoute("lock", lockAllSchema), middleware }, async (c) => {
      const { codes, ttlSeconds, ...order } = c.req.valid("json");
      const wishes = wishFor(codes, { action: "lock", ttlSeconds });
      return c.json(await change(c.get("actor"), order, wishes), 200);
    })
    .openapi({ ...allRoute("unlock", undoAllSchema), middleware }, async (c) => {
      const { codes, ...order } = c.req.valid("json");
      return c.json(await change(c.get("actor"), order, wishFor(codes, { action: "unlock" })), 200);
    })
    .openapi({ ...allRoute("use", useAllSchema), middleware }, async (c) => {
      const { coupons: uses, ...order } = c.req.valid("json");
      const wishes = new Map(
        uses.map(({ code, amounts }) => [code, { action: "use", amounts }] as const),
      );
      return c.json(await change(c.get("actor"), order, wishes), 200);
    })
    .openapi({ ...allRoute("revert", undoAllSchema), middleware }, async (c) => {
      const { codes, ...order } = c.req.valid("json");
      return c.json(await change(c.get("actor"), order, wishFor(codes, { action: "revert" })), 200);
    });
};

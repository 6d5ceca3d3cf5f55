// /v1/sales: everybody sees them; sellers make and change their own, admins all. Grabs have routes of their own.

import { createRoute, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { Problem } from "../problem.ts";
import { pageOf, pageQuery, pageSchema, placesOf } from "../v1/cursor.ts";
import type { Edge } from "../v1/edge.ts";
import type { V1Env } from "../v1/env.ts";
import {
  idParam,
  jsonAnswer,
  jsonBody,
  LOCATION,
  ONCE,
  refusalsOf,
  SIGNED_IN,
  WITH_BODY,
} from "../v1/schemas.ts";
import type { Refusal } from "./change/outcome.ts";
import type { Asker, FlashOutcome, FlashSales } from "./flash.ts";
import {
  newSaleSchema,
  restockSchema,
  salePatchSchema,
  saleSchema,
  shownStats,
  stateSchema,
  statsSchema,
} from "./schema.ts";
import type { SaleStats } from "./stats.ts";
import type { SaleView, SaleViews } from "./views.ts";

const ROLES = ["seller", "admin"] as const;
const tags = ["sales"];
const params = z.object({ id: idParam });
const HELD = "paused-by-audit";
const TEMPLATE = ["template-not-published", "template-count-exceeded"] as const;
const ofOne = [...SIGNED_IN, "not-found", "unavailable"] as const;

const createIt = createRoute({
  ...{ method: "post", path: "/v1/sales", tags },
  summary: "Make a sale of a published template",
  request: jsonBody(newSaleSchema),
  responses: {
    201: { ...jsonAnswer(saleSchema, "The sale."), headers: LOCATION },
    ...refusalsOf(...SIGNED_IN, ...WITH_BODY, ...ONCE, "name-taken", ...TEMPLATE, "unavailable"),
  },
});

const listThem = createRoute({
  ...{ method: "get", path: "/v1/sales", tags, security: [] },
  summary: "List sales, newest first, with live numbers",
  request: {
    query: z.strictObject({
      ...pageQuery,
      state: stateSchema.optional(),
      sellerId: idParam.optional(),
    }),
  },
  responses: {
    200: jsonAnswer(pageSchema(saleSchema), "A page."),
    ...refusalsOf("validation", "unavailable"),
  },
});

const getOne = createRoute({
  ...{ method: "get", path: "/v1/sales/{id}", tags, security: [] },
  summary: "Show a sale with live numbers, at most a second old",
  request: { params },
  responses: {
    200: jsonAnswer(saleSchema, "The sale."),
    ...refusalsOf("not-found", "unavailable"),
  },
});

const patchOne = createRoute({
  ...{ method: "patch", path: "/v1/sales/{id}", tags },
  summary: "Change a sale: before it opens everything, afterwards its total and its end",
  request: { params, ...jsonBody(salePatchSchema) },
  responses: {
    200: jsonAnswer(saleSchema, "The sale as it is now."),
    ...refusalsOf(...ofOne, ...WITH_BODY),
    ...refusalsOf("sale-opened", "below-granted", "name-taken", "conflict", ...TEMPLATE),
  },
});

const deleteOne = createRoute({
  ...{ method: "delete", path: "/v1/sales/{id}", tags, summary: "Delete a sale before it opens" },
  request: { params },
  responses: {
    204: { description: "There is no such sale any more." },
    ...refusalsOf(...ofOne, "sale-opened", "conflict"),
  },
});

const moved = <Action extends "pause" | "resume">(action: Action, summary: string) =>
  createRoute({
    ...{ method: "post", path: `/v1/sales/{id}/${action}`, tags, summary },
    request: { params },
    responses: {
      200: jsonAnswer(saleSchema, "The sale as it is now."),
      ...refusalsOf(
        ...ofOne,
        "conflict",
        ...ONCE,
        ...(action === "resume" ? ([HELD] as const) : []),
      ),
    },
  });

const restockOne = createRoute({
  ...{ method: "post", path: "/v1/sales/{id}/restock", tags },
  summary: "Add units to a sale, with a reason that its history keeps",
  request: { params, ...jsonBody(restockSchema) },
  responses: {
    200: jsonAnswer(saleSchema, "The sale as it is now."),
    ...refusalsOf(...ofOne, ...WITH_BODY, ...TEMPLATE, "conflict", ...ONCE),
  },
});

const getStats = createRoute({
  ...{ method: "get", path: "/v1/sales/{id}/stats", tags },
  summary: "How a sale went, and what was done to it",
  request: { params },
  responses: { 200: jsonAnswer(statsSchema, "The stats."), ...refusalsOf(...ofOne) },
});

function refuse(refusal: Refusal | { kind: "later" | "busy" }): never {
  switch (refusal.kind) {
    case "unknown":
      throw new Problem("not-found");
    case "opened":
      throw new Problem("sale-opened");
    case "below_granted":
      throw new Problem("below-granted", {
        detail: `${refusal.active} units are held.`,
        held: refusal.active,
      });
    case "count_exceeded":
      throw new Problem("template-count-exceeded", {
        detail: `The template has ${refusal.left} units left.`,
        left: refusal.left,
      });
    case "not_published":
      throw new Problem("template-not-published");
    case "name_taken":
      throw new Problem("name-taken");
    case "invalid":
      throw new Problem("validation", {
        errors: refusal.faults.map(({ field, detail }) => ({ pointer: `/${field}`, detail })),
      });
    case "held":
      throw new Problem("paused-by-audit");
    case "superseded":
      throw new Problem("conflict");
    case "later":
      throw new Problem("unavailable", {
        detail: "The change is noted, and is made as soon as it can be. Look at the sale again.",
      });
    case "busy":
      throw new Problem("unavailable", {
        detail: "Another change of the sale is under way. Nothing was noted: repeat the request.",
      });
  }
}

function askerOf(c: Context<V1Env>): Asker & { owner: number | undefined } {
  const actor = c.get("actor");
  const owner = actor.kind === "user" && actor.role !== "admin" ? actor.userId : undefined;
  return { owner, name: actor.name, requestKey: c.get("requestKey") ?? null };
}

const ms = (at: Date | null): number | null => at?.getTime() ?? null;

interface SaleRoutesDeps {
  readonly edge: Edge;
  readonly flash: FlashSales;
  readonly views: SaleViews;
  /** Undefined: there is no such sale of this seller. */
  readonly stats: (saleId: number, owner: number | undefined) => Promise<SaleStats | undefined>;
}

export const saleRoutes = ({ edge, flash, views, stats }: SaleRoutesDeps) => {
  async function shown(saleId: number): Promise<SaleView> {
    const view = await views.find(saleId);
    if (!view) throw new Problem("not-found");
    return view;
  }
  /** It is done: what cannot be read now is as it was written. */
  async function shownAfter(saleId: number, outcome: FlashOutcome): Promise<SaleView> {
    if (outcome.kind !== "done") return refuse(outcome);
    const { sale } = outcome;
    return shown(saleId).catch((error) => {
      if (sale && !(error instanceof Problem)) return views.ofRow(sale);
      throw error;
    });
  }
  return edge
    .router()
    .openapi({ ...createIt, middleware: edge.posting(...ROLES) }, async (c) => {
      const { opensAt, closesAt, ...rest } = c.req.valid("json");
      const input = { ...rest, opensAt: ms(opensAt), closesAt: ms(closesAt) };
      const outcome = await flash.create(askerOf(c), input);
      if (outcome.kind !== "made") return refuse(outcome);
      // It is made: what cannot be read now is as it was inserted.
      const { sale } = outcome;
      const location = `/v1/sales/${sale.id}`;
      const view = await views.find(sale.id).catch(() => undefined);
      return c.json(view ?? views.ofRow(sale), 201, { Location: location });
    })
    .openapi(listThem, async (c) => {
      const { limit, cursor, state, sellerId } = c.req.valid("query");
      const before = placesOf(cursor, 1)?.[0];
      const found = await views.list({
        count: limit + 1,
        ...(state === undefined ? {} : { state }),
        ...(sellerId === undefined ? {} : { sellerId }),
        ...(before === undefined ? {} : { before }),
      });
      return c.json(
        pageOf(found, limit, ({ id }) => [id]),
        200,
      );
    })
    .openapi(getOne, async (c) => c.json(await shown(c.req.valid("param").id), 200))
    .openapi({ ...patchOne, middleware: edge.changing(...ROLES) }, async (c) => {
      const { id } = c.req.valid("param");
      const { opensAt, closesAt, ...rest } = c.req.valid("json");
      const said = { ...rest, opensAt: opensAt && ms(opensAt), closesAt: closesAt && ms(closesAt) };
      const patch = Object.fromEntries(
        Object.entries(said).filter(([, value]) => value !== undefined),
      );
      return c.json(await shownAfter(id, await flash.patch(askerOf(c), id, patch)), 200);
    })
    .openapi({ ...deleteOne, middleware: edge.for(...ROLES) }, async (c) => {
      const outcome = await flash.remove(askerOf(c), c.req.valid("param").id);
      if (outcome.kind !== "done") return refuse(outcome);
      return c.body(null, 204);
    })
    .openapi(
      {
        ...moved("pause", "Pause a sale: it answers when no grab can win any more"),
        middleware: edge.posting(...ROLES),
      },
      async (c) => {
        const { id } = c.req.valid("param");
        return c.json(await shownAfter(id, await flash.pause(askerOf(c), id)), 200);
      },
    )
    .openapi(
      { ...moved("resume", "Let a paused sale go on"), middleware: edge.posting(...ROLES) },
      async (c) => {
        const { id } = c.req.valid("param");
        return c.json(await shownAfter(id, await flash.resume(askerOf(c), id)), 200);
      },
    )
    .openapi({ ...restockOne, middleware: edge.posting(...ROLES) }, async (c) => {
      const { id } = c.req.valid("param");
      const { units, reason } = c.req.valid("json");
      return c.json(await shownAfter(id, await flash.restock(askerOf(c), id, units, reason)), 200);
    })
    .openapi({ ...getStats, middleware: edge.for(...ROLES) }, async (c) => {
      const found = await stats(c.req.valid("param").id, askerOf(c).owner);
      if (!found) throw new Problem("not-found");
      return c.json(shownStats(found), 200);
    });
};

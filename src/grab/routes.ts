// The routes of grabs, as the OpenAPI document shows them. A grab that carries nothing but its token is answered
// before it gets here (app.ts).

import { createRoute, z } from "@hono/zod-openapi";
import { Problem } from "../problem.ts";
import type { Edge } from "../v1/edge.ts";
import {
  idParam,
  idSchema,
  jsonAnswer,
  refusalsOf,
  refusalsWith,
  SIGNED_IN,
  timeSchema,
} from "../v1/schemas.ts";
import type { V1Grab, V1GrabDeps } from "./handler.ts";
import { type OwnDeps, ownGrants } from "./own.ts";

const grantNumber = z
  .int()
  .positive()
  .openapi({ description: "1 is the first grant of the sale." });
const codeSchema = z.string().nullable().openapi({
  description: "The coupon's code.",
  example: "7K3XQ0M5R8TZB1CDWE9G",
});

const wonSchema = z
  .object({
    saleId: idSchema,
    number: grantNumber,
    code: codeSchema,
    repeated: z.boolean().openapi({ description: "True: you had this one already." }),
    opensAt: timeSchema.nullable(),
    closesAt: timeSchema.nullable().openapi({
      description: "As the sale has it now: an end that was moved shows in a repeated answer.",
    }),
    durability: z.enum(["durable", "fast"]).openapi({
      description: "durable: on the disk of Redis before this answer. fast: within a second.",
    }),
  })
  .openapi("Grab");

const rateHeader = (description: string) =>
  ({ required: false, description, schema: { type: "integer" } }) as const;
/** Of whatever a sale says to a grab; not where rates are not limited, nor of a grab that did not come so far. */
const RATE_HEADERS = {
  "RateLimit-Limit": rateHeader("Grabs at this sale that may come at once."),
  "RateLimit-Remaining": rateHeader("How many of them are left."),
  "RateLimit-Reset": rateHeader("Seconds until all of them are there again."),
};

const grabRoute = (edge: Edge) =>
  createRoute({
    method: "post",
    path: "/v1/sales/{id}/grab",
    tags: ["grabs"],
    summary: "Grab a unit",
    middleware: edge.for("customer"),
    description:
      "201 is a promise: the unit is yours whatever fails afterwards. Repeating a grab gives the same grant again. " +
      "Where one may have several, an Idempotency-Key is required and names the grab for as long as the sale exists; " +
      "refusals are not kept. An answer of 503 may hide a grant: repeat it.",
    request: {
      params: z.object({ id: idParam }),
      headers: z.object({
        "Idempotency-Key": z
          .string()
          .optional()
          .openapi({ example: "b1946ac9-2c2b-4f5b-9b0a-1c4b1c1c1c1c" }),
      }),
    },
    responses: {
      201: { ...jsonAnswer(wonSchema, "You have won this unit."), headers: RATE_HEADERS },
      200: { ...jsonAnswer(wonSchema, "You had this unit already."), headers: RATE_HEADERS },
      ...refusalsOf(...SIGNED_IN, "not-found"),
      ...refusalsWith(
        RATE_HEADERS,
        ...(["sold-out", "limit-reached", "not-started", "paused", "ended"] as const),
        ...(["key-required", "validation", "too-fast", "unavailable"] as const),
      ),
    },
  });

const ownGrabsSchema = z
  .object({
    saleId: idSchema,
    userLimit: z.int().positive(),
    grabs: z.array(
      z.object({
        number: grantNumber,
        code: codeSchema,
        recorded: z.boolean().openapi({ description: "True once MySQL has it." }),
      }),
    ),
  })
  .openapi("OwnGrabs");

const ownGrabsRoute = (edge: Edge) =>
  createRoute({
    method: "get",
    path: "/v1/sales/{id}/grabs/me",
    tags: ["grabs"],
    summary: "What you have of a sale",
    description:
      "All that you have of it, recorded in MySQL or not. 503 while it cannot be known whether that is all.",
    middleware: edge.for("customer"),
    request: { params: z.object({ id: idParam }) },
    responses: {
      200: jsonAnswer(ownGrabsSchema, "Your grants of this sale."),
      ...refusalsOf(...SIGNED_IN, "not-found", "unavailable"),
    },
  });

const NOT_ALL = { detail: "What you have cannot be told completely now. Ask again in a moment." };

export function grabRoutes(
  deps: Pick<V1GrabDeps, "codes" | "grabSales"> & {
    readonly edge: Edge;
    readonly v1Grab: V1Grab;
  } & OwnDeps,
) {
  const { edge, grabSales, codes, v1Grab } = deps;
  const router = edge
    .router()
    // Only for what app.ts does not answer at once; the type says that an answer fits the document.
    .openapi(grabRoute(edge), (c) => v1Grab(c.req.raw, c.req.param("id")) as never);
  return router.openapi(ownGrabsRoute(edge), async (c) => {
    const actor = c.get("actor");
    if (actor.kind !== "user") throw new Problem("forbidden");
    const { id } = c.req.valid("param");
    const sale = grabSales.peek(id) ?? (await grabSales.get(id));
    if (sale === undefined) throw new Problem("not-found");
    const own = await ownGrants(deps, id, actor.userId);
    if (own === undefined) throw new Problem("unavailable", NOT_ALL);
    const grabs = own.map(({ number, recorded }) => {
      const code = codes.codeOf(sale.codeKey, id, number, actor.userId) ?? null;
      return { number, code, recorded };
    });
    return c.json({ saleId: id, userLimit: sale.userLimit, grabs }, 200);
  });
}

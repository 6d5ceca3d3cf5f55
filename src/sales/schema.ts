// What /v1/sales takes and answers.

import { z } from "@hono/zod-openapi";
import { limits } from "../limits.ts";
import { plainText } from "../templates/schema.ts";
import { timeOf } from "../time.ts";
import { idSchema, instantSchema, timeSchema } from "../v1/schemas.ts";
import type { SaleStats } from "./stats.ts";
import type { SaleChange } from "./table.ts";

const fields = {
  templateId: idSchema.openapi({ description: "A published template of the seller." }),
  // The classic API has it in a path, which ends at these.
  name: plainText(1, limits.couponNameCharsMax).refine((name) => name !== "." && name !== "..", {
    error: "Use a name that can be part of a path.",
  }),
  total: z.int().min(1).max(limits.couponAmountMax).openapi({ example: 1_000 }),
  userLimit: z.int().min(1).max(limits.saleUserLimitMax),
  opensAt: instantSchema.nullable().openapi({ description: "null: open from the first." }),
  closesAt: instantSchema.nullable().openapi({ description: "null: it ends when it is ended." }),
  grabsPerSecond: z
    .int()
    .min(1)
    .max(limits.grabsPerSecondMax)
    .nullable()
    .openapi({ description: "Grabs per user and second; null is the service's own rate." }),
};

export const newSaleSchema = z
  .strictObject({
    ...fields,
    userLimit: fields.userLimit.default(1),
    opensAt: fields.opensAt.default(null),
    closesAt: fields.closesAt.default(null),
    grabsPerSecond: fields.grabsPerSecond.default(null),
  })
  .openapi("NewSale");

export const salePatchSchema = z.strictObject(fields).partial().openapi("SalePatch", {
  description:
    "Before it opens everything here; afterwards total, not below what is held, and closesAt.",
});

export const restockSchema = z
  .strictObject({
    units: z.int().min(1).max(limits.couponAmountMax),
    reason: plainText(1, limits.saleReasonCharsMax),
  })
  .openapi("Restock");

export const stateSchema = z.enum(["upcoming", "open", "ended", "paused"]);

const counts = { granted: z.int(), returned: z.int(), left: z.int() };

export const saleSchema = z
  .object({
    ...{ id: idSchema, sellerId: idSchema, templateId: idSchema, name: z.string() },
    state: stateSchema,
    total: z.int(),
    ...counts,
    ...{ userLimit: z.int(), grabsPerSecond: z.int().nullable() },
    ...{ opensAt: timeSchema.nullable(), closesAt: timeSchema.nullable(), createdAt: timeSchema },
    asOf: timeSchema.openapi({ description: "When the numbers were read." }),
    live: z.boolean().openapi({ description: "false: MySQL's numbers, which lag behind." }),
  })
  .openapi("Sale");

const changeSchema = z.object({
  name: z.string().optional(),
  templateId: z.int().optional(),
  total: z.int().optional(),
  userLimit: z.int().optional(),
  state: z.string().optional(),
  opensAt: timeSchema.nullable().optional(),
  closesAt: timeSchema.nullable().optional(),
  grabsPerSecond: z.int().nullable().optional(),
});

export const statsSchema = z
  .object({
    ...counts,
    recorded: z.int().openapi({ description: "Of those granted, how many MySQL has." }),
    grantsPerSecond: z.number().openapi({ description: "Over the last ten seconds." }),
    soldOutAt: timeSchema.nullable().openapi({
      description: "Since when no unit is left; null also until all grants are recorded.",
    }),
    asOf: timeSchema,
    live: z.boolean().openapi({ description: "false: MySQL's numbers, which lag behind." }),
    history: z
      .array(
        z.object({
          ...{ version: z.int(), action: z.string(), before: changeSchema, after: changeSchema },
          ...{ reason: z.string(), actor: z.string(), at: timeSchema },
        }),
      )
      .max(limits.saleHistoryShown)
      .openapi({ description: `The last ${limits.saleHistoryShown}, the newest first.` }),
  })
  .openapi("SaleStats");

const shownChange = ({ opensAt, closesAt, ...rest }: SaleChange) => ({
  ...rest,
  ...(opensAt === undefined ? {} : { opensAt: timeOf(opensAt) }),
  ...(closesAt === undefined ? {} : { closesAt: timeOf(closesAt) }),
});

/** Stats as they are answered. */
export const shownStats = ({ soldOutAt, asOf, history, ...rest }: SaleStats) => ({
  ...rest,
  soldOutAt: soldOutAt?.toISOString() ?? null,
  asOf: asOf.toISOString(),
  history: history.map(({ before, after, at, ...line }) => ({
    ...line,
    before: shownChange(before),
    after: shownChange(after),
    at: at.toISOString(),
  })),
});

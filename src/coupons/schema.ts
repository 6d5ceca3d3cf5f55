// What /v1/coupons takes and answers.

import { z } from "@hono/zod-openapi";
import { limits } from "../limits.ts";
import { amountSchema, currencySchema, idSchema, timeSchema } from "../v1/schemas.ts";
import { parseCode } from "./code.ts";
import { HISTORY_ACTIONS } from "./history.ts";
import { COUPON_STATES } from "./row.ts";

const CODE_EXAMPLE = "7K4M9QX2TB8WZ1H6RVDN";

/** A code as people type it; becomes its one spelling. */
export const codeSchema = z
  .string()
  .max(limits.couponCodeCharsTypedMax)
  .transform((text, context) => {
    const code = parseCode(text);
    if (code === undefined) context.addIssue({ code: "custom", message: "This is no code." });
    return code ?? z.NEVER;
  })
  .openapi({
    type: "string",
    description: "In either case, with spaces or dashes or without; O counts as 0, I and L as 1.",
    example: CODE_EXAMPLE,
  });

export const codeParams = z.object({ code: codeSchema });

export const orderSnSchema = z
  .string()
  .regex(/^[\w.:-]{1,64}$/, "Use 1 to 64 of: letters, digits, _ . : -")
  .openapi({ example: "order-20270101-0042" });

const orderFields = {
  orderSn: orderSnSchema.openapi({
    description: "The shop's own number of the order. A repeat for the same order is safe.",
  }),
  userId: idSchema.optional().openapi({
    description: "Whose coupons: services must say so, users have their own.",
  }),
};

const ttlSeconds = z
  .int()
  .min(1)
  .max(limits.couponLockSecondsMax)
  .default(limits.couponLockSecondsMax)
  .openapi({ description: "How long the lock holds; a repeat does not prolong it." });

const amounts = z
  .strictObject({
    original: amountSchema(limits.moneyMax).openapi({
      description: "What the order came to before this coupon, shipping included, minor units.",
      example: 12_900,
    }),
    discount: amountSchema(limits.moneyMax).openapi({
      description: "What the coupon took off, minor units.",
    }),
    currency: currencySchema,
  })
  .refine(({ original, discount }) => discount <= original, {
    error: "Take off no more than there was.",
    path: ["discount"],
  });

const isDistinct = (codes: readonly string[]): boolean => new Set(codes).size === codes.length;
const TWICE = "Name no coupon twice.";

const codes = z
  .array(codeSchema)
  .min(1)
  .max(limits.couponsPerOrderMax)
  .refine(isDistinct, { error: TWICE });

const uses = z
  .array(z.strictObject({ code: codeSchema, amounts }))
  .min(1)
  .max(limits.couponsPerOrderMax)
  .refine((list) => isDistinct(list.map(({ code }) => code)), { error: TWICE });

/** Bodies: of one coupon, whose code is in the path, and of several. */
export const lockOneSchema = z.strictObject({ ...orderFields, ttlSeconds }).openapi("LockCoupon");
export const useOneSchema = z.strictObject({ ...orderFields, amounts }).openapi("UseCoupon");
export const undoOneSchema = z.strictObject(orderFields).openapi("OrderOfCoupon");
export const lockAllSchema = z
  .strictObject({ codes, ...orderFields, ttlSeconds })
  .openapi("LockCoupons");
export const useAllSchema = z.strictObject({ coupons: uses, ...orderFields }).openapi("UseCoupons");
export const undoAllSchema = z.strictObject({ codes, ...orderFields }).openapi("OrderOfCoupons");

const money = z.int().min(0);

const inShort = {
  id: idSchema,
  name: z.string(),
  type: z.enum(["amount_off", "percent_off", "free_shipping"]),
  faceValue: money,
  basisPoints: z.int().nullable(),
  discountMax: money.nullable(),
  minimumSpend: money,
  currency: currencySchema,
};

const ids = z.array(z.string()).readonly();

const rules = {
  description: z.string(),
  goods: ids.openapi({
    description: "It is for these, and for `categories`; both empty: for all.",
  }),
  categories: ids,
  excludedGoods: ids.openapi({ description: "It is never for these." }),
  excludedCategories: ids,
  stacking: z.enum(["exclusive", "group", "free"]).openapi({
    description: "exclusive: only alone. group: only one of its `stackingGroup`.",
  }),
  stackingGroup: z.string().nullable(),
  userLimit: z.int().nullable().openapi({
    description:
      "So many coupons of the template one user may have locked or used; null: any number.",
  }),
};

const couponWith = <Template extends z.ZodType>(template: Template) =>
  z.object({
    code: z.string().openapi({ example: CODE_EXAMPLE }),
    state: z.enum(COUPON_STATES),
    recorded: z.boolean().openapi({
      description:
        "False: granted a moment ago and not yet written down. Its times are then those of this answer.",
    }),
    saleId: idSchema,
    grantNo: idSchema,
    template,
    validFrom: timeSchema.nullable(),
    expiresAt: timeSchema.nullable(),
    grantedAt: timeSchema,
    orderSn: z
      .string()
      .nullable()
      .openapi({ description: "The order that has it locked or used." }),
    lockedUntil: timeSchema.nullable(),
    originalAmount: money.nullable(),
    discountAmount: money.nullable(),
    usedAt: timeSchema.nullable(),
  });

export const couponSchema = couponWith(z.object(inShort).openapi("TemplateInShort")).openapi(
  "Coupon",
);
export const wholeCouponSchema = couponWith(
  z.object({ ...inShort, ...rules }).openapi("TemplateOfCoupon"),
).openapi("WholeCoupon");

export const couponChangeSchema = z
  .object({
    action: z.enum(HISTORY_ACTIONS).openapi({
      description:
        "confirm: a service took over what the owner had locked or used for the order. lapse: a lock ran out.",
    }),
    orderSn: z.string().nullable(),
    originalAmount: money.nullable().openapi({
      description: "Of a use, and of the use that a revert has taken back.",
    }),
    discountAmount: money.nullable(),
    by: z.enum(["user", "service", "time"]),
    at: timeSchema,
  })
  .openapi("CouponChange");

const changed = z.boolean().openapi({ description: "False: it was so already." });

export const changedOneSchema = z
  .object({ coupon: couponSchema, changed })
  .openapi("ChangedCoupon");
export const changedAllSchema = z
  .object({
    coupons: z.array(couponSchema).openapi({ description: "In the order of the request." }),
    changed,
  })
  .openapi("ChangedCoupons");

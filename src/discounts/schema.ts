// What /v1/discounts and /v1/coupons/available take and answer.

import { z } from "@hono/zod-openapi";
import { codeSchema, orderSnSchema } from "../coupons/schema.ts";
import { limits } from "../limits.ts";
import {
  amountSchema,
  currencySchema,
  idSchema,
  instantSchema,
  timeSchema,
} from "../v1/schemas.ts";
import { REASONS } from "./outcome.ts";

const shopId = z
  .string()
  .regex(/^[\w.:-]{1,64}$/, "Use 1 to 64 of: letters, digits, _ . : -")
  .openapi({ description: "The shop's own id, as templates name it.", example: "7" });

const item = z
  .strictObject({
    goods: shopId,
    category: shopId,
    quantity: z.int().min(1).max(limits.orderQuantityMax).openapi({ example: 2 }),
    unitPrice: amountSchema(limits.orderAmountMax),
  })
  .openapi("OrderItem");

const orderFields = {
  items: z.array(item).min(1).max(limits.orderItemsMax),
  shippingFee: amountSchema(limits.orderAmountMax),
  currency: currencySchema,
  orderSn: orderSnSchema.optional().openapi({
    description:
      "The number of this order, if it has one: what it has locked it can use, and has its room in limits and budgets. Whatever else the order has, locked or used, is not counted here, but a lock counts it: unlock first what the best combination leaves out.",
  }),
  userId: idSchema.optional().openapi({
    description: "Whose coupons: services must say so, users have their own.",
  }),
};

interface Amounts {
  readonly items: readonly { readonly quantity: number; readonly unitPrice: number }[];
  readonly shippingFee: number;
}

const isInBounds = ({ items, shippingFee }: Amounts): boolean =>
  items.reduce((sum, { quantity, unitPrice }) => sum + quantity * unitPrice, shippingFee) <=
  limits.orderAmountMax;
const TOO_MUCH = {
  error: `An order comes to at most ${limits.orderAmountMax} minor units.`,
  path: ["items"],
};

export const calculateSchema = z
  .strictObject({
    ...orderFields,
    codes: z
      .array(codeSchema)
      .max(limits.discountCodesMax)
      .refine((codes) => new Set(codes).size === codes.length, { error: "Name no coupon twice." }),
    asOf: instantSchema.optional().openapi({
      type: "string",
      format: "date-time",
      description:
        "The instant to calculate for: moves the dates of coupons and the ends of locks. Now, if it is left out.",
    }),
  })
  .refine(isInBounds, TOO_MUCH)
  .openapi("CalculateDiscount");

export const availableSchema = z
  .strictObject(orderFields)
  .refine(isInBounds, TOO_MUCH)
  .openapi("AskForCoupons");

const money = z.int().min(0);
const code = z.string().openapi({ example: "7K4M9QX2TB8WZ1H6RVDN" });
const ids = z
  .array(z.string())
  .readonly()
  .optional()
  .openapi({
    description: `Of what the template names, the first ${limits.discountReasonIdsMax}.`,
  });
const count = z.int().positive().optional();

const reason = z
  .object({
    code: z.enum(REASONS),
    detail: z.string().openapi({ example: "Spend 3.20 CNY more on category 7." }),
    amount: money.optional().openapi({ description: "spend_more: so much, minor units." }),
    currency: currencySchema.optional(),
    goods: ids,
    categories: ids,
    excludedGoods: ids,
    excludedCategories: ids,
    more: z
      .object({ goods: count, categories: count, excludedGoods: count, excludedCategories: count })
      .optional()
      .openapi({ description: "How many more a list has that is cut here." }),
    until: timeSchema.nullable().optional(),
    expiredAt: timeSchema.nullable().optional(),
    validFrom: timeSchema.optional(),
  })
  .openapi("WhyNot", { description: "Why a coupon takes nothing off, and what would change it." });

const recorded = z.literal(false).optional().openapi({
  description:
    "Only of a coupon that was granted a moment ago and is not written down yet: a lock has to wait for that.",
});

const amounts = {
  currency: currencySchema,
  original: money.openapi({ description: "All items and the shipping fee, minor units." }),
  discount: money.openapi({ description: "All that is taken off, of items and shipping." }),
  shippingDiscount: money.openapi({ description: "How much of it is taken off the shipping." }),
  final: money.openapi({ description: "What is to be paid: original less discount." }),
  coupons: z
    .array(
      z.object({
        code,
        recorded,
        applied: z.boolean(),
        discount: money.optional().openapi({ description: "Of a coupon that was applied." }),
        reason: reason.optional().openapi({ description: "Of a coupon that was not." }),
      }),
    )
    .readonly()
    .openapi({ description: "First those that were applied, in that sequence." }),
  items: z
    .array(
      z.object({
        goods: z.string(),
        category: z.string(),
        quantity: z.int(),
        unitPrice: money,
        original: money,
        discount: money,
        final: money,
        shares: z
          .array(z.object({ code, discount: money }))
          .readonly()
          .openapi({ description: "What each coupon takes off this item." }),
      }),
    )
    .readonly()
    .openapi({ description: "In the order of the request." }),
};

const asOf = timeSchema.openapi({ description: "The instant that was calculated for." });

export const calculatedSchema = z.object({ ...amounts, asOf }).openapi("Discount");

export const offersSchema = z
  .object({
    asOf,
    coupons: z.array(
      z.object({
        code,
        template: z.object({ id: idSchema, name: z.string() }),
        expiresAt: timeSchema.nullable(),
        recorded,
        more: z.int().min(0).openapi({
          description:
            "How many others of this template stand behind it that do the same to this order, and are not listed.",
        }),
        applies: z.boolean(),
        discount: money.optional().openapi({ description: "As the only coupon, if it applies." }),
        reason: reason.optional().openapi({ description: "If it does not apply." }),
      }),
    ),
    hasMore: z.boolean().openapi({
      description: `True: the user has more kinds of coupons (of one template, in one state) than the ${limits.discountPilesMax} that were looked at, those first that may apply to this order; or more grants that may not be written down yet than the newest ${limits.walletRecentGrantsMax}.`,
    }),
    best: z
      .object({
        ...amounts,
        codes: z.array(code).readonly(),
        exact: z.boolean().openapi({
          description:
            "True: no combination takes off more. False: there were too many coupons to try all combinations; this is the best of those that were tried.",
        }),
      })
      .openapi({ description: "The combination that takes off most." }),
  })
  .openapi("AvailableCoupons");

// What /v1/templates takes and answers.

import { z } from "@hono/zod-openapi";
import { limits } from "../limits.ts";
import { countChars } from "../text.ts";
import {
  amountSchema,
  currencySchema,
  idSchema,
  instantSchema,
  timeSchema,
} from "../v1/schemas.ts";
import type { TemplateContent, TemplateFacts } from "./facts.ts";

/** Text that people read, without control characters: they hide in lists and logs. */
export const plainText = (charsMin: number, charsMax: number) =>
  z
    .string()
    .regex(/^\P{Cc}*$/u, "Use no control characters.")
    .refine((value) => countChars(value) >= charsMin && countChars(value) <= charsMax, {
      error: `Use ${charsMin} to ${charsMax} characters.`,
    })
    .openapi({ description: `${charsMin} to ${charsMax} characters.` });

const idList = z
  .array(z.string().regex(/^[\w.:-]{1,64}$/, "Use 1 to 64 of: letters, digits, _ . : -"))
  .max(limits.templateListIdsMax);

const count = (max: number) => z.int().min(1).max(max).nullable();

// One object, and no union of two: of a union only one half could be told what is wrong with it, and not always the
// half that was meant.
const validitySchema = z
  .strictObject({
    from: instantSchema.nullable().optional(),
    until: instantSchema.nullable().optional(),
    days: z.int().min(1).max(limits.templateValidDaysMax).optional(),
  })
  .refine(
    ({ from, until, days }) => days === undefined || (from === undefined && until === undefined),
    {
      error: "Say days, or from and until.",
      path: ["days"],
    },
  )
  .transform(({ from = null, until = null, days }) =>
    days === undefined ? { from, until } : { days },
  )
  .nullable()
  .openapi({
    description:
      "Between two instants, `from` and `until`, or `days` after the grant; null is for ever.",
  });

const fields = {
  name: plainText(1, limits.couponNameCharsMax),
  description: plainText(0, limits.templateDescriptionCharsMax),
  type: z.enum(["amount_off", "percent_off", "free_shipping"]),
  faceValue: z
    .int()
    .min(1)
    .max(limits.faceValueMax)
    .nullable()
    .openapi({ description: "What amount_off takes off, minor units.", example: 500 }),
  basisPoints: z.int().min(1).max(10_000).nullable().openapi({
    description: "What percent_off takes off: 2000 is 20 %, the buyer pays 80 %.",
    example: 2_000,
  }),
  discountMax: count(limits.moneyMax).openapi({
    description: "The most that percent_off or free_shipping takes off, minor units.",
  }),
  minimumSpend: amountSchema(limits.moneyMax),
  currency: currencySchema,
  goods: idList,
  categories: idList,
  excludedGoods: idList,
  excludedCategories: idList,
  userLimit: count(limits.templateUserLimitMax),
  totalCount: count(limits.templateTotalCountMax),
  budget: count(limits.moneyMax),
  stacking: z.enum(["exclusive", "group", "free"]),
  stackingGroup: z
    .string()
    .regex(/^[\w.:-]{1,32}$/, "Use 1 to 32 of: letters, digits, _ . : -")
    .nullable(),
  validity: validitySchema,
};

export const newTemplateSchema = z
  .strictObject({
    ...fields,
    description: fields.description.default(""),
    faceValue: fields.faceValue.default(null),
    basisPoints: fields.basisPoints.default(null),
    discountMax: fields.discountMax.default(null),
    minimumSpend: fields.minimumSpend.default(0),
    goods: fields.goods.default([]),
    categories: fields.categories.default([]),
    excludedGoods: fields.excludedGoods.default([]),
    excludedCategories: fields.excludedCategories.default([]),
    userLimit: fields.userLimit.default(null),
    totalCount: fields.totalCount.default(null),
    budget: fields.budget.default(null),
    stacking: fields.stacking.default("free"),
    stackingGroup: fields.stackingGroup.default(null),
    validity: fields.validity.default(null),
  })
  .openapi("NewTemplate");

export const templatePatchSchema = z.strictObject(fields).partial().openapi("TemplatePatch", {
  description:
    "Of a published template: name and description; userLimit, totalCount and budget upwards; more validity.",
});

export const templateSchema = z
  .object({
    id: idSchema,
    sellerId: idSchema,
    ...fields,
    faceValue: z.int().nullable(),
    validity: z
      .union([
        z.object({ from: timeSchema.nullable(), until: timeSchema.nullable() }),
        z.object({ days: z.int() }),
      ])
      .nullable(),
    state: z.enum(["draft", "published", "disabled"]),
    version: z.int(),
    createdAt: timeSchema,
    updatedAt: timeSchema.nullable(),
  })
  .openapi("Template");

/** A body as the service takes it: what amount_off alone has is 0 elsewhere. */
export function contentIn(body: z.output<typeof newTemplateSchema>): TemplateContent;
export function contentIn(body: z.output<typeof templatePatchSchema>): Partial<TemplateContent>;
export function contentIn({
  faceValue,
  ...rest
}: z.output<typeof templatePatchSchema>): Partial<TemplateContent> {
  const said = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  return { ...said, ...(faceValue === undefined ? {} : { faceValue: faceValue ?? 0 }) };
}

const timeOf = (at: Date | null): string | null => at?.toISOString() ?? null;

/** A template as it is answered. */
export function shown(template: TemplateFacts): z.input<typeof templateSchema> {
  const { validity, faceValue, type, createdAt, updatedAt, ...rest } = template;
  return {
    ...rest,
    type,
    faceValue: type === "amount_off" ? faceValue : null,
    goods: [...rest.goods],
    categories: [...rest.categories],
    excludedGoods: [...rest.excludedGoods],
    excludedCategories: [...rest.excludedCategories],
    validity:
      validity && "from" in validity
        ? { from: timeOf(validity.from), until: timeOf(validity.until) }
        : validity,
    createdAt: createdAt.toISOString(),
    updatedAt: timeOf(updatedAt),
  };
}

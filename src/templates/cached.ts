// Templates as the caches hold them: for all who read many of them often and can live with what was true a moment
// ago. Whoever decides about money reads the row.

import { eq } from "drizzle-orm";
import { z } from "zod";
import type { Levels } from "../cache/levels.ts";
import type { Database } from "../db/client.ts";
import { limits } from "../limits.ts";
import { templates } from "./table.ts";

const schema = z.object({
  id: z.number(),
  sellerId: z.number(),
  name: z.string(),
  state: z.enum(["draft", "published", "disabled"]),
  type: z.enum(["amount_off", "percent_off", "free_shipping"]),
  faceValue: z.number(),
  basisPoints: z.number().nullable(),
  discountMax: z.number().nullable(),
  minimumSpend: z.number(),
  currency: z.string(),
  goods: z.array(z.string()),
  categories: z.array(z.string()),
  excludedGoods: z.array(z.string()),
  excludedCategories: z.array(z.string()),
  stacking: z.enum(["exclusive", "group", "free"]),
  stackingGroup: z.string().nullable(),
  /** Milliseconds since the epoch. */
  validFrom: z.number().nullable(),
  validUntil: z.number().nullable(),
  validDays: z.number().nullable(),
});

/** What a template says of its coupons; shared by all who ask, so nobody changes it. */
export type CachedTemplate = z.infer<typeof schema>;

async function load(db: Database, id: number): Promise<CachedTemplate | undefined> {
  const [row] = await db.select().from(templates).where(eq(templates.id, id));
  if (!row) return undefined;
  return schema.parse({
    ...row,
    ...{ goods: row.goods ?? [], categories: row.categories ?? [] },
    ...{ excludedGoods: row.excludedGoods ?? [] },
    excludedCategories: row.excludedCategories ?? [],
    ...{
      validFrom: row.validFrom?.getTime() ?? null,
      validUntil: row.validUntil?.getTime() ?? null,
    },
  });
}

/** Templates by id through memory, Redis and MySQL. */
export const createTemplateLookup = (levels: Levels, db: Database) =>
  levels.lookup<number, CachedTemplate>({
    kind: "template",
    entriesMax: limits.cacheTemplatesMax,
    load: (id) => load(db, id),
    parse: (json) => schema.parse(JSON.parse(json)),
  });

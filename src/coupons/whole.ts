// A coupon with all that its template says of it: what it is for, and what it can be used together with. For one coupon
// that somebody looks at; a page of a wallet has the short form.

import { eq } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { factsOf, type TemplateContent } from "../templates/facts.ts";
import { templates } from "../templates/table.ts";
import { type Coupon, inShort, type TemplateInShort } from "./coupon.ts";

type Scope = "goods" | "categories" | "excludedGoods" | "excludedCategories";
type Rules = Pick<
  TemplateContent,
  Scope | "description" | "stacking" | "stackingGroup" | "userLimit"
>;

export type WholeCoupon = Omit<Coupon, "template"> & {
  readonly template: TemplateInShort & Rules;
};

/** Undefined when the template is gone. Throws MySQL's error. */
export async function readWhole(db: Database, coupon: Coupon): Promise<WholeCoupon | undefined> {
  const [row] = await db.select().from(templates).where(eq(templates.id, coupon.template.id));
  if (!row) return undefined;
  const facts = factsOf(row);
  const { description, goods, categories, excludedGoods, excludedCategories } = facts;
  const { stacking, stackingGroup, userLimit } = facts;
  const rules = {
    ...{ description, goods, categories, excludedGoods, excludedCategories },
    ...{ stacking, stackingGroup, userLimit },
  };
  return { ...coupon, template: { ...inShort(facts), ...rules } };
}

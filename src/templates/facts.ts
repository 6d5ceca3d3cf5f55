// What a template says of its coupons, as the rest of the service sees it.

import type { Terms } from "../discounts/order.ts";
import type { templates } from "./table.ts";

export type TemplateRow = typeof templates.$inferSelect;
export type TemplateState = "draft" | "published" | "disabled";

/** Until when a coupon can be used: between two instants, or for so many days after the grant; null is for ever. */
export type Validity =
  | { readonly from: Date | null; readonly until: Date | null }
  | { readonly days: number };

/** What a seller can say of a template. */
export interface TemplateContent extends Terms {
  readonly name: string;
  readonly description: string;
  /** Coupons of this template that one user may have locked or used; null is any number. */
  readonly userLimit: number | null;
  /** The most units that all its sales together may have; null is any number. */
  readonly totalCount: number | null;
  /** What all its coupons together may take off, minor units; null is any amount. */
  readonly budget: number | null;
  readonly validity: Validity | null;
}

export interface TemplateFacts extends TemplateContent {
  readonly id: number;
  readonly sellerId: number;
  readonly state: TemplateState;
  /** Counts the changes. */
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date | null;
}

function validityOf({ validDays, validFrom, validUntil }: TemplateRow): Validity | null {
  if (validDays !== null) return { days: validDays };
  return validFrom || validUntil ? { from: validFrom, until: validUntil } : null;
}

/** A row as the service sees it. */
export const factsOf = (row: TemplateRow): TemplateFacts => ({
  ...{ id: row.id, sellerId: row.sellerId, name: row.name, description: row.description },
  type: row.type as TemplateFacts["type"],
  ...{ faceValue: row.faceValue, basisPoints: row.basisPoints, discountMax: row.discountMax },
  ...{ minimumSpend: row.minimumSpend, currency: row.currency },
  ...{ goods: row.goods ?? [], categories: row.categories ?? [] },
  ...{ excludedGoods: row.excludedGoods ?? [], excludedCategories: row.excludedCategories ?? [] },
  ...{ userLimit: row.userLimit, totalCount: row.totalCount, budget: row.budget },
  stacking: row.stacking as TemplateFacts["stacking"],
  stackingGroup: row.stackingGroup,
  validity: validityOf(row),
  state: row.state as TemplateState,
  ...{ version: row.version, createdAt: row.createdAt, updatedAt: row.updatedAt },
});

/** The columns that hold what a seller says. */
export function columnsOf({ validity, goods, categories, ...content }: TemplateContent) {
  const dates = validity && "from" in validity ? validity : null;
  return {
    ...content,
    ...{ goods: [...goods], categories: [...categories] },
    excludedGoods: [...content.excludedGoods],
    excludedCategories: [...content.excludedCategories],
    validFrom: dates?.from ?? null,
    validUntil: dates?.until ?? null,
    validDays: validity && "days" in validity ? validity.days : null,
  };
}

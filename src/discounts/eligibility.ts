// Which items of an order a coupon is for. The order is looked up by the template's lists and not the other way
// round, so that the cost follows the lists once, whatever the number of items.

import { limits } from "../limits.ts";
import type { Item, Terms } from "./order.ts";
import { type Reason, SCOPE_LISTS, type Scope } from "./outcome.ts";

/** The places of an order's items by their goods and by their category. */
export interface Places {
  readonly count: number;
  readonly byGoods: ReadonlyMap<string, readonly number[]>;
  readonly byCategory: ReadonlyMap<string, readonly number[]>;
}

function placesBy(items: readonly Item[], key: "goods" | "category"): Map<string, number[]> {
  const found = new Map<string, number[]>();
  for (const [place, item] of items.entries()) {
    const there = found.get(item[key]);
    if (there) there.push(place);
    else found.set(item[key], [place]);
  }
  return found;
}

export const placesOf = (items: readonly Item[]): Places => ({
  count: items.length,
  byGoods: placesBy(items, "goods"),
  byCategory: placesBy(items, "category"),
});

/** The places of the eligible items, ascending. */
export function eligiblePlaces(terms: Terms, { count, byGoods, byCategory }: Places): number[] {
  const isForAll = terms.goods.length === 0 && terms.categories.length === 0;
  const eligible = new Array<boolean>(count).fill(isForAll);
  const mark = (ids: readonly string[], by: Places["byGoods"], value: boolean) => {
    for (const id of ids) for (const place of by.get(id) ?? []) eligible[place] = value;
  };
  mark(terms.goods, byGoods, true);
  mark(terms.categories, byCategory, true);
  mark(terms.excludedGoods, byGoods, false);
  mark(terms.excludedCategories, byCategory, false);
  const places: number[] = [];
  for (let place = 0; place < count; place += 1) if (eligible[place]) places.push(place);
  return places;
}

/** The lists of a template that say something, cut where they are long: an answer tells of many templates. */
export function scopeOf(terms: Terms): Scope {
  const most = limits.discountReasonIdsMax;
  const said = SCOPE_LISTS.filter((list) => terms[list].length > 0);
  const cut = said.filter((list) => terms[list].length > most);
  const more = Object.fromEntries(cut.map((list) => [list, terms[list].length - most]));
  return {
    ...Object.fromEntries(said.map((list) => [list, terms[list].slice(0, most)])),
    ...(cut.length > 0 && { more }),
  };
}

/** A coupon without a threshold still needs an item that it is for. */
export const mustHaveItems = (terms: Terms, places: readonly number[]): Reason | undefined =>
  places.length > 0 ? undefined : { code: "no_eligible_items", ...scopeOf(terms) };

// Cursors of lists: where the next page begins, as opaque text. It holds what the list is ordered by, of the last
// item shown, so that what is made or deleted meanwhile neither repeats nor hides anything.

import { z } from "@hono/zod-openapi";
import { limits } from "../limits.ts";
import { Problem } from "../problem.ts";

const wrong = () => {
  const detail = "Take the cursor from the `nextCursor` of a page of this list.";
  return new Problem("validation", { errors: [{ parameter: "cursor", detail }] });
};

/** The query parameters that every list has. */
export const pageQuery = {
  limit: z
    .string()
    .regex(/^\d{1,3}$/, `Use a whole number of 1 to ${limits.pageItemsMax}.`)
    .transform(Number)
    .pipe(z.int().min(1).max(limits.pageItemsMax))
    .default(limits.pageItemsDefault)
    .openapi({
      type: "integer",
      minimum: 1,
      maximum: limits.pageItemsMax,
      description: "Items on a page.",
    }),
  cursor: z
    .string()
    .max(limits.cursorCharsMax)
    .optional()
    .openapi({ description: "`nextCursor` of the page before; the first page without it." }),
};

/** The cursor of the page behind an item whose list is ordered by these numbers. */
const cursorOf = (...places: readonly number[]): string =>
  Buffer.from(JSON.stringify(places)).toString("base64url");

/** The numbers of a cursor, undefined for the first page. Throws the 422 when it is no cursor of such a list. */
export function placesOf(cursor: string | undefined, count: number): number[] | undefined {
  if (cursor === undefined) return undefined;
  let places: unknown;
  try {
    places = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
  } catch {
    throw wrong();
  }
  const fits =
    Array.isArray(places) && places.length === count && places.every(Number.isSafeInteger);
  if (!fits) throw wrong();
  return places as number[];
}

/** A page of `limit` items out of at most one more, and the cursor of the next. */
export function pageOf<Item>(
  items: readonly Item[],
  limit: number,
  placesOfItem: (item: Item) => readonly number[],
): { items: Item[]; nextCursor: string | null } {
  const shown = items.slice(0, limit);
  const last = shown.at(-1);
  const more = items.length > limit && last !== undefined;
  return { items: shown, nextCursor: more ? cursorOf(...placesOfItem(last)) : null };
}

/** The schema of a page. */
export const pageSchema = <Item extends z.ZodType>(item: Item) =>
  z.object({
    items: z.array(item),
    nextCursor: z.string().nullable().openapi({ description: "null: this is the last page." }),
  });

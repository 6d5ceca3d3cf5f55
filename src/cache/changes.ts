// What can change under a cache, and the message that says so.

/**
 * What is cached, and by what: a template or sale by id; a user by the folded name; a sale's id by seller
 * and exact name (`nameOfSale`); and which page of a seller's list is valid, by the seller's id.
 */
export type Kind = (typeof KINDS)[number];

export const KINDS = ["template", "sale", "user-name", "sale-name", "seller-list"] as const;

/** Something is not any more what it was, or has come to be. */
export interface Change {
  readonly kind: Kind;
  readonly key: string | number;
}

/** Everything may have changed. */
export const EVERYTHING = "everything";
export type Changes = readonly Change[] | typeof EVERYTHING;

/** The key of kind `sale-name`. The id has no slash, so no two pairs share one. */
export const nameOfSale = (sellerId: number, name: string): string => `${sellerId}/${name}`;

/** What `nameOfSale` was given. */
export function sellerAndName(key: string): { sellerId: number; name: string } {
  const slash = key.indexOf("/");
  return { sellerId: Number(key.slice(0, slash)), name: key.slice(slash + 1) };
}

export interface Message {
  readonly from: string;
  readonly changes: Changes;
}

export const messageText = ({ from, changes }: Message): string =>
  JSON.stringify([
    from,
    changes === EVERYTHING ? changes : changes.map(({ kind, key }) => [kind, key]),
  ]);

/** What a message says; one that is not understood, as from a newer version, may concern anything. */
export function readMessage(text: string): Message {
  try {
    const [from, changes] = JSON.parse(text) as [string, [Kind, string | number][] | string];
    if (typeof changes === "string") return { from, changes: EVERYTHING };
    return { from, changes: changes.map(([kind, key]) => ({ kind, key })) };
  } catch {
    return { from: "", changes: EVERYTHING };
  }
}

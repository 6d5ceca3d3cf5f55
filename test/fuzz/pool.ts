// What is known to exist: ids, codes and cursors out of answers, and bodies that were taken. Requests that name
// things that exist get further than any that are made up.

import type { Random } from "./random.ts";

/** Of each kind of thing, and of bodies of each operation; the oldest go first. */
const KEPT_MAX = 200;

interface Known {
  readonly value: string | number;
  /** Who may use it: the name of the actor that was answered. */
  readonly owner: string;
}

export interface Pool {
  add(kind: string, value: string | number, owner: string): void;
  /** Mostly one of the owner's own; undefined when there is none of this kind. */
  pick(kind: string, random: Random, owner: string): string | number | undefined;
  /** Forgets what is no good any more. */
  forget(kind: string, value: string | number): void;
  /** One of somebody else's. */
  foreign(kind: string, random: Random, owner: string): string | number | undefined;
  /** Remembers a body that an operation has taken. */
  taken(operation: string, body: unknown): void;
  takenBody(operation: string, random: Random): unknown;
  /** Takes what an answer tells of. `path` is that of the operation. */
  learn(path: string, answer: unknown, owner: string): void;
}

/** The kind of what a field names: `templateId` names one of "templates", as the path says it. */
export function kindOf(field: string): string {
  const stem = /^(\w+)Ids?$/.exec(field)?.[1];
  if (stem !== undefined) return `${stem}s`;
  return field === "codes" ? "code" : field;
}

/** The collection in a path whose items have ids: "sales" of `/v1/sales/{id}/grab`. */
export const collectionOf = (path: string): string => path.split("/")[2] ?? "";

const LEARNED = new Set(["code", "refreshToken", "accessToken", "nextCursor", "username"]);

export function createPool(): Pool {
  const known = new Map<string, Known[]>();
  const bodies = new Map<string, unknown[]>();

  function keep<Item>(all: Map<string, Item[]>, key: string, item: Item): void {
    const list = all.get(key) ?? [];
    list.push(item);
    if (list.length > KEPT_MAX) list.shift();
    all.set(key, list);
  }

  const add: Pool["add"] = (kind, value, owner) => {
    const list = known.get(kind) ?? [];
    if (!list.some((one) => one.value === value && one.owner === owner))
      keep(known, kind, { value, owner });
  };

  const pickFrom = (list: readonly Known[], random: Random) =>
    list.length === 0 ? undefined : random.pick(list).value;

  function learnFrom(collection: string, node: unknown, owner: string): void {
    if (Array.isArray(node)) for (const item of node) learnFrom(collection, item, owner);
    if (typeof node !== "object" || node === null || Array.isArray(node)) return;
    for (const [name, value] of Object.entries(node)) {
      const isValue = typeof value === "number" || typeof value === "string";
      if (!isValue) learnFrom(collection, value, owner);
      else if (name === "id") add(collection, value, owner);
      else if (name === "nextCursor") add(`cursor of ${collection}`, value, owner);
      else if (LEARNED.has(name) || /Id$/.test(name)) add(kindOf(name), value, owner);
    }
  }

  return {
    add,
    pick(kind, random, owner) {
      const all = known.get(kind) ?? [];
      const own = all.filter((one) => one.owner === owner);
      return pickFrom(own.length > 0 && random.chance(0.8) ? own : all, random);
    },
    forget(kind, value) {
      const list = known.get(kind) ?? [];
      known.set(
        kind,
        list.filter((one) => one.value !== value),
      );
    },
    foreign(kind, random, owner) {
      const all = known.get(kind) ?? [];
      const values = new Set(all.filter((one) => one.owner === owner).map(({ value }) => value));
      return pickFrom(
        all.filter(({ value }) => !values.has(value)),
        random,
      );
    },
    taken: (operation, body) => keep(bodies, operation, body),
    takenBody(operation, random) {
      const list = bodies.get(operation) ?? [];
      return list.length === 0 ? undefined : structuredClone(random.pick(list));
    },
    learn: (path, answer, owner) => learnFrom(collectionOf(path), answer, owner),
  };
}

// Templates: what coupons are worth, made by sellers. A change is one transaction that holds the row, so that what
// is checked is what is changed.

import { isDeepStrictEqual } from "node:util";
import { and, desc, eq, lt, sql } from "drizzle-orm";
import type { Database, Transaction } from "../db/client.ts";
import { isDuplicate } from "../db/errors.ts";
import {
  columnsOf,
  factsOf,
  type TemplateContent,
  type TemplateFacts,
  type TemplateState,
} from "./facts.ts";
import { contentFaults, type Fault, frozenFaults } from "./rules.ts";
import { templates } from "./table.ts";

/** Who may see and change: the seller whose it is, or anybody's where it is undefined. */
export type Owner = number | undefined;

export type TemplateOutcome =
  | { readonly kind: "done"; readonly template: TemplateFacts }
  | { readonly kind: "unknown" }
  | { readonly kind: "invalid"; readonly faults: readonly Fault[] }
  /** It would hurt those who hold a coupon. */
  | { readonly kind: "frozen"; readonly faults: readonly Fault[] }
  | { readonly kind: "wrong_state"; readonly state: TemplateState }
  /** Somebody else has changed it since the version that was named. */
  | { readonly kind: "changed"; readonly version: number };

export interface TemplatePage {
  readonly owner: Owner;
  readonly state?: TemplateState;
  /** Templates with smaller ids only. */
  readonly before?: number;
  readonly count: number;
}

export interface Templates {
  /** Throws MySQL's error, as all here. */
  find(id: number): Promise<TemplateFacts | undefined>;
  /** A draft. The same `requestKey` again gives the template that was made first. */
  create(
    sellerId: number,
    content: TemplateContent,
    requestKey: string | null,
  ): Promise<TemplateOutcome>;
  /** Newest first. */
  list(page: TemplatePage): Promise<TemplateFacts[]>;
  /** `version`, where it is given, must be the one that stands. */
  change(
    id: number,
    owner: Owner,
    fields: Partial<TemplateContent>,
    version?: number,
  ): Promise<TemplateOutcome>;
  /** From here on it can be sold; again is no change. */
  publish(id: number, owner: Owner): Promise<TemplateOutcome>;
  /** From here on no sale can be made of it and no sale of it enlarged; again is no change. */
  disable(id: number, owner: Owner): Promise<TemplateOutcome>;
}

/** The row, held until the transaction ends; undefined when it is not this owner's. */
export async function lockTemplate(
  tx: Transaction,
  id: number,
  owner: Owner,
): Promise<TemplateFacts | undefined> {
  const [row] = await tx.select().from(templates).where(eq(templates.id, id)).for("update");
  if (!row || (owner !== undefined && row.sellerId !== owner)) return undefined;
  return factsOf(row);
}

/** `onChanged` is told of every change after its COMMIT; never to fail the request. */
export function createTemplates({
  db,
  onChanged,
}: {
  db: Database;
  onChanged: (template: TemplateFacts) => Promise<void>;
}): Templates {
  async function find(id: number): Promise<TemplateFacts | undefined> {
    const [row] = await db.select().from(templates).where(eq(templates.id, id));
    return row && factsOf(row);
  }

  /** `edit` says what becomes of the template as it stands: columns to set, or why not. */
  async function changeLocked(
    id: number,
    owner: Owner,
    edit: (before: TemplateFacts) => Partial<typeof templates.$inferInsert> | TemplateOutcome,
  ): Promise<TemplateOutcome> {
    const outcome = await db.transaction(async (tx): Promise<TemplateOutcome> => {
      const before = await lockTemplate(tx, id, owner);
      if (!before) return { kind: "unknown" };
      const edited = edit(before);
      if ("kind" in edited) return edited;
      await tx
        .update(templates)
        .set({ ...edited, version: before.version + 1, updatedAt: sql`UTC_TIMESTAMP(3)` })
        .where(eq(templates.id, id));
      const [row] = await tx.select().from(templates).where(eq(templates.id, id));
      return row ? { kind: "done", template: factsOf(row) } : { kind: "unknown" };
    });
    if (outcome.kind === "done") await onChanged(outcome.template);
    return outcome;
  }

  const moveTo = (id: number, owner: Owner, from: TemplateState, to: TemplateState) =>
    changeLocked(id, owner, (before) => {
      if (before.state === to) return { kind: "done", template: before };
      if (before.state !== from) return { kind: "wrong_state", state: before.state };
      return { state: to };
    });

  return {
    find,

    async create(sellerId, content, requestKey) {
      const faults = contentFaults(content);
      if (faults.length > 0) return { kind: "invalid", faults };
      try {
        const [made] = await db
          .insert(templates)
          .values({ ...columnsOf(content), sellerId, state: "draft", requestKey })
          .$returningId();
        const template = await find((made as { id: number }).id);
        return template ? { kind: "done", template } : { kind: "unknown" };
      } catch (error) {
        // The only other key that can be taken is the request's.
        if (requestKey === null || !isDuplicate(error)) throw error;
        const [row] = await db.select().from(templates).where(eq(templates.requestKey, requestKey));
        return row ? { kind: "done", template: factsOf(row) } : { kind: "unknown" };
      }
    },

    async list({ owner, state, before, count }) {
      const rows = await db
        .select()
        .from(templates)
        .where(
          and(
            owner === undefined ? undefined : eq(templates.sellerId, owner),
            state === undefined ? undefined : eq(templates.state, state),
            before === undefined ? undefined : lt(templates.id, before),
          ),
        )
        .orderBy(desc(templates.id))
        .limit(count);
      return rows.map(factsOf);
    },

    change: (id, owner, fields, version) =>
      changeLocked(id, owner, (before) => {
        if (version !== undefined && version !== before.version)
          return { kind: "changed", version: before.version };
        const content = contentOf(before);
        const after = { ...content, ...fields };
        if (isDeepStrictEqual(content, after)) return { kind: "done", template: before };
        const faults = contentFaults(after);
        if (faults.length > 0) return { kind: "invalid", faults };
        const frozen = before.state === "draft" ? [] : frozenFaults(content, after);
        if (frozen.length > 0) return { kind: "frozen", faults: frozen };
        return columnsOf(after);
      }),

    publish: (id, owner) => moveTo(id, owner, "draft", "published"),
    disable: (id, owner) => moveTo(id, owner, "published", "disabled"),
  };
}

function contentOf(template: TemplateFacts): TemplateContent {
  const { id: _id, sellerId: _sellerId, state: _state, version: _version, ...rest } = template;
  const { createdAt: _createdAt, updatedAt: _updatedAt, ...content } = rest;
  return content;
}

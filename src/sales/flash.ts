// Sales as /v1 makes and changes them. Making one is one transaction that holds its template, as is enlarging one or
// giving it another template: the totals of a template's sales together stay within its total count (change/room.ts).

import { eq } from "drizzle-orm";
import type { Database, Transaction } from "../db/client.ts";
import { isDuplicate } from "../db/errors.ts";
import type { TemplateFacts } from "../templates/facts.ts";
import { lockTemplate, type Owner } from "../templates/service.ts";
import type { ChangeRequest, Changes } from "./change/changes.ts";
import { editOf, restockOf, type SalePatch, windowFault, withoutTemplate } from "./change/edits.ts";
import { hasOwnPause, withPause } from "./change/new-template.ts";
import type { ChangeOutcome, Refusal } from "./change/outcome.ts";
import { isHeld } from "./change/own-pause.ts";
import { roomFor } from "./change/room.ts";
import { saleNameKey } from "./facts.ts";
import type { SaleNews } from "./news.ts";
import { columnsOf, type SaleRow } from "./stored.ts";
import { type SaleAction, type SaleChange, saleChanges, sales } from "./table.ts";

export interface NewFlashSale {
  readonly templateId: number;
  readonly name: string;
  readonly total: number;
  readonly userLimit: number;
  /** Milliseconds since the epoch. */
  readonly opensAt: number | null;
  readonly closesAt: number | null;
  readonly grabsPerSecond: number | null;
}

export type MakeOutcome = { readonly kind: "made"; readonly sale: SaleRow } | Refusal;

/** Who asks: `owner` is the seller whose sales it may change, undefined for an admin. */
export interface Asker {
  readonly owner: Owner;
  readonly name: string;
  readonly requestKey: string | null;
}

/** `sale` as it was changed; undefined where an earlier request with this key has done it. */
export type FlashOutcome =
  | { readonly kind: "done"; readonly sale: SaleRow | undefined }
  | Exclude<ChangeOutcome, { readonly kind: "done" }>;

export interface FlashSales {
  /** Throws MySQL's error. */
  create(by: Asker, input: NewFlashSale): Promise<MakeOutcome>;
  /** These throw the servers' errors: then a repeat tells what has become of it. */
  patch(by: Asker, saleId: number, patch: SalePatch): Promise<FlashOutcome>;
  pause(by: Asker, saleId: number): Promise<FlashOutcome>;
  resume(by: Asker, saleId: number): Promise<FlashOutcome>;
  restock(by: Asker, saleId: number, units: number, reason: string): Promise<FlashOutcome>;
  remove(by: Asker, saleId: number): Promise<FlashOutcome>;
}

interface AskOptions {
  readonly reason?: string;
  /** Its total may become greater. */
  readonly grows?: boolean;
  /** The template that it is to have. */
  readonly templateId?: number | undefined;
}

export interface FlashDeps {
  readonly db: Database;
  readonly changes: Changes;
  readonly warmer: { warm(saleId: number): Promise<"warm" | "later"> };
  readonly codes: { readonly current: string };
  readonly news: Pick<SaleNews, "relisted">;
}

/** Makes the row, holding the template. Throws MySQL's error, the duplicate of a name among them. */
const insertSale = (
  { db, codes }: Pick<FlashDeps, "db" | "codes">,
  by: Asker,
  input: NewFlashSale,
): Promise<MakeOutcome> =>
  db.transaction(async (tx): Promise<MakeOutcome> => {
    const { name: actor, requestKey } = by;
    const template = await lockTemplate(tx, input.templateId, by.owner);
    const fault = windowFault(input.opensAt, input.closesAt);
    if (!template) return withoutTemplate(fault);
    if (fault) return fault;
    if (requestKey !== null) {
      const isMine = eq(sales.requestKey, requestKey);
      const [made] = await tx.select().from(sales).where(isMine);
      if (made) return { kind: "made", sale: made };
    }
    const refusal = await roomFor(tx, template, input.total);
    if (refusal) return refusal;
    const { opensAt, closesAt, ...rest } = input;
    const [inserted] = await tx
      .insert(sales)
      .values({
        ...{ ...rest, sellerId: template.sellerId, nameKey: saleNameKey(input.name), requestKey },
        opensAt: opensAt === null ? null : new Date(opensAt),
        closesAt: closesAt === null ? null : new Date(closesAt),
        ...{ state: "open", codeKey: codes.current },
      })
      .$returningId();
    const saleId = (inserted as { id: number }).id;
    const { total, userLimit, grabsPerSecond } = input;
    await tx.insert(saleChanges).values({
      ...{ saleId, version: 0, action: "create", before: {}, reason: "", actor },
      after: { total, userLimit, grabsPerSecond, opensAt, closesAt, state: "open" },
    });
    const [sale] = await tx.select().from(sales).where(eq(sales.id, saleId));
    return { kind: "made", sale: sale as SaleRow };
  });

/** What a change asks of a template: of another one room for the whole sale, of its own for what the sale grows by. */
async function fitted(
  tx: Transaction,
  sale: SaleRow,
  change: SaleChange,
  template: TemplateFacts | undefined,
): Promise<SaleChange | Refusal> {
  const total = change.total ?? sale.total;
  if (change.templateId !== undefined) {
    if (!template) return withoutTemplate();
    return (await roomFor(tx, template, total)) ?? withPause(sale, change);
  }
  if (total <= sale.total) return change;
  return (await roomFor(tx, template, total - sale.total)) ?? change;
}

/** The row once it has the change, and no pause any more that came with it. */
const changedRow = (sale: SaleRow, change: SaleChange): SaleRow => ({
  ...{ ...sale, ...columnsOf(change) },
  ...(hasOwnPause(change) && { state: sale.state }),
});

export function createFlashSales({ db, changes, warmer, codes, news }: FlashDeps): FlashSales {
  /** A change by somebody: a sale that is not theirs is unknown to them. `templateId`: another one, maybe. */
  async function ask(
    by: Asker,
    saleId: number,
    action: SaleAction,
    edit: ChangeRequest["edit"],
    { reason = "", grows = false, templateId }: AskOptions = {},
  ): Promise<FlashOutcome> {
    let after: SaleRow | undefined;
    let template: TemplateFacts | undefined;
    const request: ChangeRequest = {
      ...{ saleId, action, reason, actor: by.name, requestKey: by.requestKey },
      isTheirs: (sale) => by.owner === undefined || sale.sellerId === by.owner,
      async edit(sale, hasOpened, tx) {
        const wanted = await edit(sale, hasOpened, tx);
        if ("kind" in wanted) {
          const isMissing = templateId !== undefined && templateId !== sale.templateId && !template;
          return isMissing ? withoutTemplate(wanted) : wanted;
        }
        const change = await fitted(tx, sale, wanted, template);
        if (!("kind" in change)) after = changedRow(sale, change);
        return change;
      },
      ...((grows || templateId !== undefined) && {
        lockFirst: async (tx: Transaction, sale: SaleRow) => {
          template = await lockTemplate(tx, templateId ?? sale.templateId, sale.sellerId);
        },
      }),
    };
    const outcome = await changes.change(request);
    return outcome.kind === "done" ? { ...outcome, sale: after } : outcome;
  }

  return {
    async create(by, input) {
      let outcome: MakeOutcome;
      try {
        outcome = await insertSale({ db, codes }, by, input);
      } catch (error) {
        if (isDuplicate(error)) return { kind: "name_taken" };
        throw error;
      }
      if (outcome.kind !== "made") return outcome;
      // From COMMIT on nothing may fail the request: what Redis does not have yet the background pass puts there.
      await warmer.warm(outcome.sale.id);
      await news.relisted(outcome.sale);
      return outcome;
    },

    async patch(by, saleId, patch) {
      const edit: ChangeRequest["edit"] = (sale, hasOpened) => editOf(sale, hasOpened, patch);
      try {
        return await ask(by, saleId, "change", edit, {
          grows: patch.total !== undefined,
          templateId: patch.templateId,
        });
      } catch (error) {
        if (patch.name !== undefined && isDuplicate(error)) return { kind: "name_taken" };
        throw error;
      }
    },

    pause: (by, saleId) =>
      ask(by, saleId, "pause", ({ state }) => (state === "paused" ? {} : { state: "paused" })),
    resume: (by, saleId) =>
      ask(by, saleId, "resume", async ({ state }, _, tx) => {
        if (state === "open") return {};
        return (await isHeld(tx, saleId)) ? { kind: "held" } : { state: "open" };
      }),

    restock: (by, saleId, units, reason) =>
      ask(by, saleId, "restock", (sale) => restockOf(sale, units), { reason, grows: true }),

    remove: (by, saleId) =>
      ask(by, saleId, "delete", (_, hasOpened) =>
        hasOpened ? { kind: "opened" } : { state: "deleted" },
      ),
  };
}

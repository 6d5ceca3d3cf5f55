// What a seller may change of a sale, judged against its row: everything before it opens; afterwards its total and
// its end.

import { limits } from "../../limits.ts";
import { fieldsBefore, type SaleRow } from "../stored.ts";
import type { SaleChange } from "../table.ts";
import type { Refusal } from "./outcome.ts";

/** What PATCH can say. Times in milliseconds since the epoch. */
export type SalePatch = Omit<SaleChange, "state">;

const invalid = (field: string, detail: string): Refusal => ({
  kind: "invalid",
  faults: [{ field, detail }],
});

const NO_TEMPLATE = { field: "templateId", detail: "The seller has no such template." };

/** The refusal of a template that the seller does not have, told with another field that is wrong. */
export const withoutTemplate = (other: Refusal = { kind: "invalid", faults: [] }): Refusal =>
  other.kind === "invalid" ? { ...other, faults: [...other.faults, NO_TEMPLATE] } : other;

/** The fields that are another than they were. */
function moved(sale: SaleRow, patch: SalePatch): SaleChange {
  const before = fieldsBefore(sale, patch);
  const names = Object.keys(patch) as (keyof SalePatch)[];
  const changed = names.filter((name) => patch[name] !== before[name]);
  return Object.fromEntries(changed.map((name) => [name, patch[name]]));
}

/** Why a sale cannot run in this window, or undefined. */
export function windowFault(opensAt: number | null, closesAt: number | null): Refusal | undefined {
  if (closesAt === null || closesAt > (opensAt ?? 0)) return undefined;
  return invalid("closesAt", "It must be later than the opening.");
}

/** A PATCH as the change that it makes. */
export function editOf(sale: SaleRow, hasOpened: boolean, patch: SalePatch): SaleChange | Refusal {
  const change = moved(sale, patch);
  const after = { ...fieldsBefore(sale, { opensAt: null, closesAt: null }), ...change };
  const fault = windowFault(after.opensAt ?? null, after.closesAt ?? null);
  if (fault && (change.opensAt !== undefined || change.closesAt !== undefined)) return fault;
  const { total: _, closesAt: __, ...fixed } = change;
  if (hasOpened && Object.keys(fixed).length > 0) return { kind: "opened" };
  return change;
}

/** More units, as a total. */
export function restockOf(sale: SaleRow, units: number): SaleChange | Refusal {
  const total = sale.total + units;
  if (total <= limits.couponAmountMax) return { total };
  return invalid("units", `A sale has at most ${limits.couponAmountMax} units.`);
}

// Values as they may stand in the text of a statement. For statements of hundreds of rows only: there a parameter for
// each value costs this side several times as much as the row itself, and one parameter in JSON costs the server more.

import { escape as escaped } from "mysql2";

/** A number; what is none is NULL. One that does not fit its column is for the server to refuse. */
export const numberLiteral = (value: number): string =>
  Number.isFinite(value) ? String(value) : "NULL";

/** A text in quotes, or NULL. */
export const textLiteral = (value: string | null): string => escaped(value?.toWellFormed() ?? null);

/** An instant in UTC, or NULL; one beyond all dates is a text that the server refuses. */
export function instantLiteral(at: Date | null): string {
  if (at === null) return "NULL";
  if (Number.isNaN(at.getTime())) return "'beyond all dates'";
  return `'${at.toISOString().slice(0, -1).replace("T", " ")}'`;
}

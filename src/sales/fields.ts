// The fields of a sale in Redis, read as grab.lua reads them: one that cannot be makes the whole sale count as missing,
// so that a hash which somebody else has written to stops neither this process nor the other sales of the same read.

const LAST_INSTANT_MS = 8.64e15;

/** A whole number from 0 to below 2^53; undefined for anything else. */
export function countIn(text: string | null | undefined): number | undefined {
  const value = text == null || text.trim() === "" ? Number.NaN : Number(text);
  return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

/** Null where there is none; undefined for what is no count. */
export const countOrNullIn = (text: string | null | undefined): number | null | undefined =>
  text == null ? null : countIn(text);

/** Milliseconds since the epoch, null where there are none; undefined for what no date can hold. */
export function instantIn(text: string | null | undefined): number | null | undefined {
  const value = countOrNullIn(text);
  return value == null || value <= LAST_INSTANT_MS ? value : undefined;
}

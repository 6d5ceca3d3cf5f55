// What the doctor finds: one line for each thing that it looked at, and what to do about those that are not well.

import { ER_NO_SUCH_TABLE, errnoOf, reasonOf } from "../db/errors.ts";

export type CheckState = "ok" | "warning" | "failure";

export interface Check {
  readonly name: string;
  readonly state: CheckState;
  /** What was found, in a few words; never a secret. */
  readonly found: string;
  /** What to do; empty when all is well. */
  readonly advice: string;
}

export const ok = (name: string, found: string): Check => ({
  name,
  state: "ok",
  found,
  advice: "",
});

/** The service can do its work, and somebody should know. */
export const warning = (name: string, found: string, advice: string): Check => ({
  name,
  state: "warning",
  found,
  advice,
});

/** A sale would go wrong. */
export const failure = (name: string, found: string, advice: string): Check => ({
  name,
  state: "failure",
  found,
  advice,
});

/** One check for a list of faults: ok with `well` when there are none. */
export const none = (
  name: string,
  faults: readonly string[],
  { well, advice, state = failure }: { well: string; advice: string; state?: typeof failure },
): Check => (faults.length === 0 ? ok(name, well) : state(name, faults.join("; "), advice));

/**
 * The checks of one subject, or one failure with this name when it could not be looked at; the other subjects
 * are looked at all the same.
 */
export async function looking(name: string, look: () => Promise<Check[]>): Promise<Check[]> {
  try {
    return await look();
  } catch (error) {
    const advice =
      errnoOf(error) === ER_NO_SUCH_TABLE
        ? "Start the service once: it makes the tables that are missing."
        : "This could not be looked at. Mend what stands here and run the doctor again.";
    return [failure(name, reasonOf(error), advice)];
  }
}

/** "shard 3", "shards 3, 5 and 7", or "all 16 shards". */
export function shardsInWords(shards: readonly number[], all: number): string {
  if (shards.length === all) return `all ${all} shards`;
  const last = shards.at(-1);
  const rest = shards.slice(0, -1);
  return rest.length === 0 ? `shard ${last}` : `shards ${rest.join(", ")} and ${last}`;
}

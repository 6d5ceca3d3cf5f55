// Pausing a sale for what an audit has found, and opening it again: changes as changes.ts makes them, by the service
// itself. A pause is bound to the epoch of what was found: after a recovery that says nothing of the sale any more.

import { saleKeys } from "../../redis/keys.ts";
import { newsThrough } from "../news.ts";
import { storedSale } from "../stored.ts";
import { type ChangesDeps, createChanges } from "./changes.ts";
import type { ChangeOutcome } from "./outcome.ts";
import { AUDIT, isHeld } from "./own-pause.ts";

type StateDeps = Pick<ChangesDeps, "redis" | "db" | "onUnfit">;

/** "fenced": the shard recovers or is at another epoch, or Redis does not have the sale. */
export type StateChange = "set" | "same" | "fenced";

/** A seller's change may be finished on the way, so every process is told, as by whoever began it. */
const changesOf = (deps: StateDeps) => createChanges({ ...deps, news: newsThrough(deps.redis) });

async function isIn(
  { redis, db }: Pick<StateDeps, "redis" | "db">,
  saleId: number,
  state: "open" | "paused",
): Promise<boolean> {
  const inRedis = await redis.hget(saleKeys(saleId).sale, "state");
  const sale = await storedSale(db, saleId);
  return inRedis === state && sale?.state === state && sale.pending === null;
}

const asStateChange = ({ kind }: ChangeOutcome): StateChange =>
  kind === "done" ? "set" : "fenced";

/** Pauses a sale for what was found under `epoch`. Throws Redis's error, NOSCRIPT among them, and MySQL's. */
export async function pauseSale(
  deps: StateDeps,
  saleId: number,
  epoch: number,
): Promise<StateChange> {
  // A seller who has paused it may open it again, unless it is held.
  if ((await isIn(deps, saleId, "paused")) && (await isHeld(deps.db, saleId))) return "same";
  const outcome = await changesOf(deps).change({
    ...{ saleId, action: "pause", epoch, requestKey: null },
    ...{ reason: "the audit has found something", actor: AUDIT },
    edit: () => ({ state: "paused" }),
  });
  return asStateChange(outcome);
}

/** Throws Redis's error, NOSCRIPT among them, and MySQL's. */
export async function openSale(deps: StateDeps, saleId: number): Promise<StateChange> {
  if (await isIn(deps, saleId, "open")) return "same";
  const outcome = await changesOf(deps).change({
    ...{ saleId, action: "resume", requestKey: null },
    ...{ reason: "its numbers agree again", actor: "operator" },
    edit: () => ({ state: "open" }),
  });
  return asStateChange(outcome);
}

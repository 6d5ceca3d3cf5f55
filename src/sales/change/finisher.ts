// The pass that finishes changes of sales which a process has left half-made; on every process.

import { reasonOf } from "../../db/errors.ts";
import type { Gates } from "../../grab/gates.ts";
import { limits } from "../../limits.ts";
import type { Log } from "../../log.ts";
import { allShards, shardOf } from "../../redis/keys.ts";
import type { Changes } from "./changes.ts";

interface FinisherDeps {
  readonly changes: Pick<Changes, "waiting" | "stands" | "finish">;
  readonly gates: Pick<Gates, "at">;
  readonly log: Log;
}

/**
 * One pass, which ends early once `stopped` says so; several at once, here or elsewhere, do no harm. Throws MySQL's
 * error when the outbox cannot be read.
 */
async function finishWaiting(
  { changes, gates, log }: FinisherDeps,
  stopped: () => boolean,
): Promise<void> {
  // A shard that recovers takes no changes; its own must not stand before those of the others.
  const open = allShards.filter((shard) => gates.at(shard));
  if (open.length === 0) return;
  for (const pending of await changes.waiting(open)) {
    if (stopped()) return;
    const { saleId, action } = pending;
    try {
      // A pass may take long, and every process makes one.
      if (!gates.at(shardOf(saleId)) || !(await changes.stands(pending))) continue;
      const { kind } = await changes.finish(pending);
      if (kind !== "later") log.info({ saleId, action, outcome: kind }, "a change is finished");
    } catch (error) {
      log.warn({ saleId, action, reason: reasonOf(error) }, "a change is not finished yet");
    }
  }
}

/**
 * Begins the passes; returns how to stop, which resolves when the change under way is finished, and no later than
 * `stopFinisherMs`: what is half-made by then another process finishes.
 */
export function startFinisher(deps: FinisherDeps): () => Promise<void> {
  let passing: Promise<void> | undefined;
  let stopped = false;
  const timer = setInterval(() => {
    passing ??= finishWaiting(deps, () => stopped)
      .catch((error) =>
        deps.log.warn({ reason: reasonOf(error) }, "looking for half-made changes failed"),
      )
      .finally(() => {
        passing = undefined;
      });
  }, limits.outboxPassMs);
  return async () => {
    stopped = true;
    clearInterval(timer);
    const late = Promise.withResolvers<void>();
    const patience = setTimeout(late.resolve, limits.stopFinisherMs);
    await Promise.race([passing, late.promise]);
    clearTimeout(patience);
  };
}

// Removes or changes rows whose time is over, a batch at a time, and keeps up with whatever makes them: a pass goes on
// for as long as it finds full batches, and none begins while another is under way.

import type { Log } from "../log.ts";
import { reasonOf } from "./errors.ts";

interface PurgeOptions {
  readonly everyMs: number;
  readonly batchRows: number;
  /** Does so to at most `batchRows`; gives how many. May throw, which is tried again with the next pass. */
  readonly batch: () => Promise<number>;
  readonly log: Log;
  /** What the log says of a pass that failed. */
  readonly failed: string;
}

/** Begins; returns how to stop, which resolves when no batch is under way any more. */
export function startPurge({
  everyMs,
  batchRows,
  batch,
  log,
  failed,
}: PurgeOptions): () => Promise<void> {
  let passing: Promise<void> | undefined;
  let stopped = false;
  const pass = async () => {
    while (!stopped && (await batch()) === batchRows);
  };
  const timer = setInterval(() => {
    passing ??= pass()
      .catch((error) => log.warn({ reason: reasonOf(error) }, failed))
      .finally(() => {
        passing = undefined;
      });
  }, everyMs);
  return async () => {
    stopped = true;
    clearInterval(timer);
    await passing;
  };
}

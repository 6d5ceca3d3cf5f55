// Logs what a request threw, under an id that its answer tells instead.

import { reasonOf } from "./db/errors.ts";
import type { Log } from "./log.ts";
import { isOutage } from "./outage.ts";

const STACK_LINES = 8;

/** `isAway`: a server was at fault, and the same request may succeed later. */
export function failureReport(log: Log) {
  return (error: unknown, method: string, pattern: string) => {
    const requestId = crypto.randomUUID();
    const event = { requestId, method, pattern, reason: reasonOf(error) };
    const isAway = isOutage(error);
    if (isAway) log.warn(event, "request refused: a server is away");
    else {
      const lines = error instanceof Error ? error.stack?.split("\n    at ") : undefined;
      log.error({ ...event, stack: lines?.slice(1, 1 + STACK_LINES) }, "request failed");
    }
    return { requestId, isAway };
  };
}

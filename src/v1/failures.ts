// What becomes of what a request of /v1 throws: a problem document, whoever has caught it.

import { HTTPException } from "hono/http-exception";
import { failureReport } from "../failure.ts";
import type { Log } from "../log.ts";
import { Problem, problemResponse } from "../problem.ts";

/** Nothing of an error is told but an id; the log has the rest under the same id. */
export function v1Failures(log: Log) {
  const report = failureReport(log);
  return (error: unknown, method: string, pattern: string): Response => {
    if (error instanceof Problem) return problemResponse(error.code, error.particulars);
    if (error instanceof HTTPException && error.status < 500)
      return problemResponse(error.status === 415 ? "unsupported-media-type" : "malformed-json");
    const { requestId, isAway } = report(error, method, pattern);
    return problemResponse(isAway ? "unavailable" : "internal", {}, requestId);
  };
}

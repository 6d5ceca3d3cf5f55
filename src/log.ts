import pino, { type Logger } from "pino";

export type Log = Logger;

/**
 * One JSON line per event on standard output. Values under these names never appear: a token or a
 * password in a log is a leak that outlives the session it belonged to.
 */
export function createLog(level: string, bindings: Record<string, unknown> = {}): Log {
  return pino({
    level,
    base: bindings,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: {
      paths: ["password", "token", "authorization", "*.password", "*.token", "*.authorization"],
      censor: "[removed]",
    },
  });
}

// The log: one JSON line per event on standard output. Whoever takes the lines must not be able to stop the service,
// so a line that cannot be written is dropped: when a disk is full, when the reader of a pipe is gone, and when it
// has stood still for so long that a bounded number of lines waits for it.

import { fstatSync, writeSync } from "node:fs";
import pino, { type DestinationStream, type Logger } from "pino";
import { limits } from "./limits.ts";

export type Log = Logger;

const STDOUT = 1;

/** A pipe or a socket takes what its reader has room for; a file takes all, or fails at once. */
function hasReader(): boolean {
  const kind = fstatSync(STDOUT);
  return kind.isFIFO() || kind.isSocket();
}

const toFile: DestinationStream = {
  write(line) {
    try {
      writeSync(STDOUT, line);
    } catch {
      // The next line may fit again.
    }
  },
};

function toReader(): DestinationStream {
  const { stdout } = process;
  // Without a listener the reader's end would be ours.
  if (stdout.listenerCount("error") === 0) stdout.on("error", () => undefined);
  let waiting = 0;
  return {
    write(line) {
      if (waiting + line.length > limits.logCharsWaitingMax) return;
      waiting += line.length;
      stdout.write(line, () => {
        waiting -= line.length;
      });
    },
  };
}

/**
 * A logger with these `bindings` on each line. Values under the names below never appear: a token or a password in
 * a log is a leak that outlives the session it belonged to.
 */
export function createLog(level: string, bindings: Record<string, unknown> = {}): Log {
  return pino(
    {
      level,
      base: bindings,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: ["password", "token", "authorization", "*.password", "*.token", "*.authorization"],
        censor: "[removed]",
      },
    },
    hasReader() ? toReader() : toFile,
  );
}

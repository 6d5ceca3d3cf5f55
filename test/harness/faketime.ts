// The clock of a server, moved from outside: libfaketime is loaded before its own libraries and reads an offset
// from a file. Where the library is not installed, tests that need it are skipped.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";
import { freshFolder } from "./servers.ts";

/** Where systems put it. */
const PLACES = ["lib/*/faketime", "lib64/faketime", "lib/faketime"];

/** The path of the library, or undefined where it is not installed. */
export function faketimeLibrary(): string | undefined {
  for (const place of PLACES) {
    const glob = new Glob(`${place}/libfaketimeMT.so.1`);
    for (const path of glob.scanSync({ cwd: "/usr", absolute: true })) return path;
  }
  return undefined;
}

/**
 * What is loaded first. Without libc in front, a server that brings its own allocator would use that before the
 * library is ready, and the two would call each other for ever.
 */
const preload = (library: string): string => `LD_PRELOAD=${library}:libc.so.6`;

/** Whether the clock of this program can be moved here. */
export function mayMoveClockOf(program: string): boolean {
  const library = faketimeLibrary();
  if (!library) return false;
  const command = ["env", preload(library), "FAKETIME=-3600", program, "--version"];
  return Bun.spawnSync(command, { timeout: 5_000, killSignal: "SIGKILL" }).exitCode === 0;
}

export interface MovedClock {
  /** The command that runs a server with this clock. */
  readonly through: readonly string[];
  /** Sets the clock so many seconds ahead of the real one, from now on. */
  set(seconds: number): void;
}

/** A clock that is right until it is set. Throws where the library is not installed. */
export function movedClock(): MovedClock {
  const library = faketimeLibrary();
  if (!library) throw new Error("libfaketime is not installed");
  const file = join(freshFolder("clock"), "offset");
  const set = (seconds: number) => writeFileSync(file, `${seconds < 0 ? "" : "+"}${seconds}\n`);
  set(0);
  const settings = [
    ...[preload(library), `FAKETIME_TIMESTAMP_FILE=${file}`],
    // Read at every look at the clock; time-outs of the server itself go on as they are.
    ...["FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"],
  ];
  return { through: ["env", ...settings], set };
}

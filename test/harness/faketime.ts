// Clocks that are wrong: libfaketime, which is loaded before a program's own libraries. Only the time of day is
// moved; what programs measure durations with is left alone, as on a host whose clock has been set. Where the
// library is not to be had, what needs it is skipped.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";
import { CannotStart } from "../../src/embedded/errors.ts";
import { installPackages } from "../../src/embedded/install.ts";
import { freshFolder } from "./servers.ts";

/** Where systems put it. */
const PLACES = ["lib/*/faketime", "lib64/faketime", "lib/faketime"];

function faketimeLibrary(): string | undefined {
  for (const place of PLACES) {
    const glob = new Glob(`${place}/libfaketimeMT.so.1`);
    for (const path of glob.scanSync({ cwd: "/usr", absolute: true })) return path;
  }
  return undefined;
}

/** Installs the library if it is missing and that may be done. */
export async function ensureFaketime(onSay: (text: string) => void): Promise<void> {
  if (faketimeLibrary()) return;
  try {
    if (await installPackages(["libfaketime"], onSay)) return;
  } catch (error) {
    if (!(error instanceof CannotStart)) throw error;
    onSay(error.message);
  }
  onSay("libfaketime is not on this machine: what moves the clock of a program is skipped");
}

/** The command that runs another one with a clock of these settings. Throws where the library is not installed. */
function withClock(...settings: string[]): string[] {
  const library = faketimeLibrary();
  if (!library) throw new Error("libfaketime is not installed");
  return [
    "env",
    // Without libc in front, a program that brings its own allocator would use that before the library is ready,
    // and the two would call each other for ever.
    `LD_PRELOAD=${library}:libc.so.6`,
    // The second is what older versions call the first.
    ...["FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1", "NO_FAKE_STAT=1"],
    ...settings,
  ];
}

const offset = (seconds: number): string => `${seconds < 0 ? "" : "+"}${seconds}`;

/** The command that runs another one with a clock that is wrong by so many seconds. */
export const clockOff = (seconds: number): string[] => withClock(`FAKETIME=${offset(seconds)}`);

/** Whether the clock of this program can be moved here: some allocators do not get along with the library. */
export function mayMoveClockOf(program: string): boolean {
  if (!faketimeLibrary()) return false;
  const command = [...clockOff(-3_600), program, "--version"];
  return (
    Bun.spawnSync(command, {
      ...{ stdin: "ignore", stdout: "ignore", stderr: "ignore" },
      ...{ timeout: 5_000, killSignal: "SIGKILL" },
    }).exitCode === 0
  );
}

export interface MovedClock {
  /** The command that runs a server with this clock. */
  readonly through: readonly string[];
  /** Sets the clock so many seconds ahead of the real one, from now on. */
  set(seconds: number): void;
}

/** A clock that is right until it is set. */
export function movedClock(): MovedClock {
  const file = join(freshFolder("clock"), "offset");
  const set = (seconds: number) => writeFileSync(file, `${offset(seconds)}\n`);
  set(0);
  // Read at every look at the clock.
  const settings = [`FAKETIME_TIMESTAMP_FILE=${file}`, "FAKETIME_NO_CACHE=1"];
  return { through: withClock(...settings), set };
}

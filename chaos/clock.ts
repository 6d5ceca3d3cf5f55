// Clocks that are wrong: libfaketime between a program and the system's clock, from Debian's package `faketime`.
// Only the time of day is moved; what programs measure durations with is left alone, as on a host whose clock
// has been set.

import { existsSync } from "node:fs";
import { Glob } from "bun";

const LIBRARY = "lib/*/faketime/libfaketimeMT.so.1";
/** Redis's own allocator asks for the time before libfaketime is ready for it; this one does not. */
const PLAIN_ALLOCATOR = "lib/*/libc_malloc_debug.so.0";
const TRY_MS_MAX = 3_000;
const INSTALL_MS_MAX = 120_000;

const findFile = (pattern: string): string | undefined => {
  for (const file of new Glob(pattern).scanSync({ cwd: "/usr", absolute: true })) return file;
  return undefined;
};

/** How to start a program so that its clock is wrong by so many seconds. */
export type MoveClock = (seconds: number) => readonly string[];

async function installFaketime(): Promise<void> {
  if (process.getuid?.() !== 0 || !existsSync("/etc/debian_version")) return;
  const child = Bun.spawn(
    ["apt-get", "-q", "-y", "install", "--no-install-recommends", "faketime"],
    {
      ...{ stdin: "ignore", stdout: "ignore", stderr: "ignore", timeout: INSTALL_MS_MAX },
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    },
  );
  await child.exited;
}

/** Finds libfaketime, or installs it where it may. Undefined when there is none to be had. */
export async function clockMover(): Promise<MoveClock | undefined> {
  if (!findFile(LIBRARY)) await installFaketime();
  const library = findFile(LIBRARY);
  if (!library) return undefined;
  const allocator = findFile(PLAIN_ALLOCATOR);
  const preload = allocator ? `${allocator}:${library}` : library;
  return (seconds) => [
    "env",
    `LD_PRELOAD=${preload}`,
    `FAKETIME=${seconds < 0 ? "" : "+"}${seconds}`,
    // The same under the name that older versions know.
    "FAKETIME_DONT_FAKE_MONOTONIC=1",
    "DONT_FAKE_MONOTONIC=1",
    "NO_FAKE_STAT=1",
  ];
}

/** Whether a program runs at all under a moved clock: some allocators do not get along with it. */
export async function bears(move: MoveClock, program: string): Promise<boolean> {
  const child = Bun.spawn([...move(-60), program, "--version"], {
    ...{ stdin: "ignore", stdout: "ignore", stderr: "ignore" },
    ...{ timeout: TRY_MS_MAX, killSignal: "SIGKILL" },
  });
  return (await child.exited) === 0;
}

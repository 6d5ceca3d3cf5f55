// What every run of tests needs: a folder of its own, and a MySQL or MariaDB to make databases on.

import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { totalmem } from "node:os";
import { join } from "node:path";
import { ensureServers } from "../src/embedded/install.ts";
import { layoutOf } from "../src/embedded/layout.ts";
import { mysqlServer } from "../src/embedded/mysql.ts";
import { mayMountDisks, mountSmallDisk, unmountAllIn } from "../test/harness/disk.ts";
import { ensureFaketime } from "../test/harness/faketime.ts";

export const ROOT = new URL("..", import.meta.url).pathname;
const ALL = join(ROOT, ".data/test");

export interface TestServers {
  /** Removed at the end. */
  readonly folder: string;
  /** For `bun test`: where the tests find the server and the folder. */
  readonly environment: { readonly DATABASE_URL: string; readonly TEST_FOLDER: string };
  /** Aborted by a signal; the tests are to end, and this process stays to tidy up. */
  readonly stop: AbortSignal;
}

export const say = (text: string): void => console.log(text);

const GIGABYTE = 2 ** 30;
/**
 * Servers that flush at every commit wait for the machine's disk, and for whatever else uses it: seconds, now and then,
 * on a slow one. Where there is room the folder is a disk in memory; the tests kill processes, never the machine.
 */
const DISK_BYTES = 4 * GIGABYTE;
const ROOMY_BYTES = 3 * DISK_BYTES;

/** Folders are named after the process, so that those of runs that were killed can be told and removed. */
function makeFolder(): string {
  mkdirSync(ALL, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(ALL)) {
    if (!isAlive(Number(name.split("-")[0]))) removeFolder(join(ALL, name));
  }
  const folder = join(ALL, `${process.pid}-${randomBytes(3).toString("hex")}`);
  mkdirSync(folder, { mode: 0o700 });
  if (totalmem() >= ROOMY_BYTES && mayMountDisks()) mountSmallDisk(folder, DISK_BYTES);
  return folder;
}

/** With its disk, and those that a test was killed with. */
function removeFolder(folder: string): void {
  unmountAllIn(folder);
  rmSync(folder, { recursive: true, force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/**
 * Starts a server, or takes the one that DATABASE_URL names, hands it to `work`, and stops it. Throws `CannotStart`
 * when there is none to be had.
 */
export async function withTestServers<Result>(
  work: (servers: TestServers) => Promise<Result>,
): Promise<Result> {
  const given = process.env.DATABASE_URL;
  await ensureServers({ redis: true, mysql: !given }, say);
  await ensureFaketime(say);
  const folder = makeFolder();
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => stop.abort());
  }
  const own = given
    ? undefined
    : mysqlServer(layoutOf(join(folder, "server")), { keepUp: true, onSay: say });
  try {
    await own?.start();
    const DATABASE_URL = given ?? own?.urlOf("mysql") ?? "";
    return await work({
      ...{ folder, stop: stop.signal },
      environment: { DATABASE_URL, TEST_FOLDER: folder },
    });
  } finally {
    await own?.process.stop();
    removeFolder(folder);
  }
}

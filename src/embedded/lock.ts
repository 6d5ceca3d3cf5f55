// One launcher per data folder. The lock is a transaction on an SQLite file: the system's own file lock
// under it goes away with the process, however that ends, so nothing stale is ever left to be judged. Who
// has the lock is in a separate file, for people.

import { Database } from "bun:sqlite";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { z } from "zod";
import { CannotStart } from "./errors.ts";
import type { Layout } from "./layout.ts";

const ownerSchema = z.object({
  pid: z.number(),
  since: z.string(),
  url: z.string().optional(),
  opsUrl: z.string().optional(),
});

export interface FolderLock {
  /** Tells others where the service of this folder is to be found. */
  publish(addresses: { url: string; opsUrl: string }): void;
  release(): void;
}

/** Takes the data folder for this process. Throws `CannotStart`, saying who has it, when it is taken. */
export function takeFolder(layout: Layout): FolderLock {
  const database = new Database(layout.lock);
  try {
    database.run("PRAGMA locking_mode = EXCLUSIVE");
    database.run("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (!/locked|busy/i.test(String(error))) throw error;
    throw new CannotStart(whoHas(layout));
  }
  const owner = { pid: process.pid, since: new Date().toISOString() };
  const write = (facts: object) =>
    writeFileSync(layout.owner, `${JSON.stringify(facts)}\n`, { mode: 0o600 });
  write(owner);
  return {
    publish: (addresses) => write({ ...owner, ...addresses }),
    release: () => {
      rmSync(layout.owner, { force: true });
      database.close();
    },
  };
}

function whoHas(layout: Layout): string {
  const advice =
    "Stop that one, or start another beside it:\n  PORT=20081 OPS_PORT=20091 npm start -- --data ../doorbuster-2";
  try {
    const owner = ownerSchema.parse(JSON.parse(readFileSync(layout.owner, "utf8")));
    const where = owner.url ? `, at ${owner.url}` : ", and is still starting";
    return `Doorbuster already runs with the data in ${layout.folder}: process ${owner.pid}, since ${owner.since}${where}.\n${advice}`;
  } catch {
    // It took the lock this instant, and has not said who it is.
    return `Another Doorbuster is just starting with the data in ${layout.folder}.\n${advice}`;
  }
}

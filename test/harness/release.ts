// Another release of the service: a copy of its source with edits, in a folder of its own, to be run as a process.

import { cpSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freshFolder } from "./servers.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

/** In which file which passage, to be found exactly once, is replaced by what. */
export type Edit = readonly [path: string, passage: string, by: string];

/** Makes the copy; gives the folder that `startApi` takes. Throws when an edit does not apply. */
export function releaseWith(...edits: Edit[]): string {
  const folder = freshFolder("release");
  cpSync(join(ROOT, "src"), join(folder, "src"), { recursive: true });
  for (const name of ["node_modules", "drizzle", "package.json", "tsconfig.json"]) {
    symlinkSync(join(ROOT, name), join(folder, name));
  }
  for (const [path, passage, by] of edits) {
    const file = join(folder, path);
    const parts = readFileSync(file, "utf8").split(passage);
    if (parts.length !== 2) throw new Error(`${parts.length - 1} times in ${path}: ${passage}`);
    writeFileSync(file, parts.join(by));
  }
  return folder;
}

// A copy of the tree for mutants to live in: the product that others work with is never edited.

import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Edit } from "./edits.ts";

/** Edits of one file, named from the root of the tree. */
export interface FileEdit {
  readonly path: string;
  readonly edit: Edit;
}

/** Copies `root` into a new `folder`; the dependencies are shared. */
export function copyTree(root: string, folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(root)) {
    if (name.startsWith(".") || name === "node_modules") continue;
    cpSync(join(root, name), join(folder, name), { recursive: true });
  }
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
}

/**
 * Edits files of a copy; returns how to put them back. Throws, and has changed nothing, when an edit does not
 * apply or changes nothing.
 */
export function mutate(folder: string, edits: readonly FileEdit[]): () => void {
  const files = edits.map(({ path, edit }) => {
    const place = join(folder, path);
    const before = readFileSync(place, "utf8");
    const after = edit(before);
    if (after === before) throw new Error(`the edit of ${path} changes nothing`);
    return { place, before, after };
  });
  for (const { place, after } of files) writeFileSync(place, after);
  return () => {
    for (const { place, before } of files) writeFileSync(place, before);
  };
}

import type { FileEdit } from "./copy.ts";
import type { TestName } from "./run.ts";

/** One way to break the product, and the test that must notice. */
export interface Mutant {
  /** For --only. */
  readonly name: string;
  /** The edit in words, as in "the service …". */
  readonly what: string;
  readonly edits: readonly FileEdit[];
  readonly caughtBy: TestName;
  /** Runs in seconds, and so with --quick. */
  readonly quick?: true;
}

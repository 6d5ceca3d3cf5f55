import { parseArgs } from "node:util";

export interface MutantOptions {
  /** The name of a mutant, or of those of grab.lua; undefined for all. */
  readonly only: string | undefined;
  /** Only those that run in seconds. */
  readonly quick: boolean;
  /** Says of each what its test said. */
  readonly verbose: boolean;
}

const HELP = `bun run mutants [options]

Breaks the product on purpose, one edit at a time, in a copy of the tree, and demands that the test that is named for
it notices. Prints a row for each as it is tried. Ends with 0 when all were caught, with 1 when one survived, when an
edit no longer applies or does not work, or when a test fails without any edit.

  --only NAME     one of them, by the name in the first column; with grab.lua all that have this name
  --quick         those that run in seconds; part of CI
  --verbose       what each test said
  --help          this text

  bun run mutants --only half-a-list --verbose`;

/** Reads the command line; "help" when the text has been printed. Throws with a sentence on a bad one. */
export function readOptions(line: string[]): MutantOptions | "help" {
  const { values } = parseArgs({
    args: line,
    options: {
      only: { type: "string" },
      quick: { type: "boolean", default: false },
      verbose: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return "help";
  }
  const { only, quick, verbose } = values;
  return { only, quick, verbose };
}

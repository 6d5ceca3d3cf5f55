// How the project's own commands end: with an exit code, and with a sentence where something is wrong that whoever typed
// the command can mend.

import { CannotStart } from "../src/embedded/errors.ts";

/** An option that is not as it must be; the message says how. */
export class BadOption extends Error {
  override readonly name = "BadOption";
}

const isBadOption = (error: unknown): boolean =>
  error instanceof BadOption ||
  String((error as { code?: unknown } | null)?.code).startsWith("ERR_PARSE_ARGS");

function sentenceOf(error: unknown): string {
  if (error instanceof CannotStart) return error.message;
  if (isBadOption(error)) return `${(error as Error).message}\nWith --help it lists the options.`;
  return String(error instanceof Error ? error.stack : error);
}

/** Runs a command and ends the process with its exit code; with 1 and a sentence when it throws. */
export async function runCommand(main: () => Promise<number> | number): Promise<never> {
  try {
    process.exit(await main());
  } catch (error) {
    console.error(sentenceOf(error));
    process.exit(1);
  }
}

// What every command has in common.

import { type Command, InvalidArgumentError } from "commander";

/** The command cannot be run; the message says what to do. */
export class CannotRun extends Error {}

/** Turns what a command does, which returns its exit code, into what Commander calls. */
export type Ending = <Options>(
  run: (options: Options) => Promise<number>,
) => (options: Options) => Promise<void>;

/** Adds a command with the option that every one has: where to find the servers of `npm start`. */
export const newCommand = (program: Command, name: string, description: string): Command =>
  program
    .command(name)
    .description(description)
    .option("--data <folder>", "the data folder of npm start, where no servers are named", ".data");

/** For Commander: the id of a sale. */
export function saleId(text: string): number {
  const id = Number(text);
  if (!/^[1-9]\d{0,15}$/.test(text) || !Number.isSafeInteger(id)) {
    throw new InvalidArgumentError("It must be the number of a sale.");
  }
  return id;
}

/** For Commander: a whole number above 0. */
export function positiveNumber(text: string): number {
  const number = Number(text);
  if (!/^[1-9]\d{0,14}$/.test(text))
    throw new InvalidArgumentError("It must be a whole number above 0.");
  return number;
}

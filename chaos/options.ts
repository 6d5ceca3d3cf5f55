import { randomInt } from "node:crypto";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { BadOption } from "../scripts/command.ts";

const ROOT = new URL("..", import.meta.url).pathname;

export interface ChaosOptions {
  /** How long faults come; starting, the calm and the checks are on top of it. */
  readonly seconds: number;
  readonly seed: string;
  /** Also faults that take data away from Redis. */
  readonly loss: boolean;
  readonly json: string | undefined;
  /** Keep the folder of the run also when all went well. */
  readonly keep: boolean;
  /** The folder whose `src/main.ts` is run. */
  readonly service: string;
}

const SECONDS = 120;

const HELP = `bun run chaos [options]

Kills, stops, cuts, slows and fills whatever the service is made of, while clients grab coupons and write down
every answer; then lets it calm down and compares what clients were told with what is stored. Servers and data
are its own. Ends with 0 when every promise was kept, with 1 when one was broken or nothing can be said.

  --seconds N     how long faults come (default ${SECONDS}; 3600 is the long run)
  --seed S        the schedule of faults and the clients' choices (default: drawn, and printed)
  --loss          also empty Redis and cut the end of its file; what was confirmed must then be
                  recorded, or reported as lost
  --json FILE     write the report there as well
  --keep          keep the history and the logs also when all went well
  --service DIR   run the service of another copy of the source
  --help          this text`;

function secondsOf(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 86_400) {
    throw new BadOption("--seconds must be a whole number from 1 to 86400");
  }
  return value;
}

/** Reads the command line; "help" when the text has been printed. Throws with a sentence on a bad one. */
export function readOptions(line: string[]): ChaosOptions | "help" {
  const { values } = parseArgs({
    args: line,
    options: {
      seconds: { type: "string", default: String(SECONDS) },
      seed: { type: "string" },
      loss: { type: "boolean", default: false },
      json: { type: "string" },
      keep: { type: "boolean", default: false },
      service: { type: "string", default: ROOT },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return "help";
  }
  const { loss, json, keep } = values;
  return {
    ...{ loss, json, keep },
    seconds: secondsOf(values.seconds),
    seed: values.seed ?? String(randomInt(1_000_000)),
    service: resolve(values.service),
  };
}

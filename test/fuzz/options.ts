import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { BadOption } from "../../scripts/command.ts";

export interface FuzzOptions {
  readonly seed: string;
  readonly requests: number;
}

const REQUESTS = 20_000;
const REQUESTS_MAX = 10_000_000;

const HELP = `bun run fuzz [options]

Starts the service with servers of its own, draws requests from its OpenAPI document, right ones and ones with a
single thing wrong, and checks every answer: a documented status, never a 5xx, refusals as problem documents that the
service explains, bodies as their schemas say, and nothing of the inside. Ends with 0 when all passed, with 1 when one
did not; prints the first of each kind as a curl line.

  --seed S        the requests (default: drawn, and printed); the same seed draws the same ones, but for the ids and
                  codes that the service draws
  --requests N    how many (default ${REQUESTS})
  --help          this text`;

/** Reads the command line; "help" when the text has been printed. Throws with a sentence on a bad one. */
export function readOptions(line: string[]): FuzzOptions | "help" {
  const { values } = parseArgs({
    args: line,
    options: {
      seed: { type: "string" },
      requests: { type: "string", default: String(REQUESTS) },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return "help";
  }
  const requests = Number(values.requests);
  if (!Number.isInteger(requests) || requests < 1 || requests > REQUESTS_MAX)
    throw new BadOption(`--requests must be a whole number from 1 to ${REQUESTS_MAX}`);
  return { requests, seed: values.seed ?? String(randomInt(1_000_000_000)) };
}

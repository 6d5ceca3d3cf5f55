import { parseArgs } from "node:util";
import { BadOption } from "../scripts/command.ts";

/** What can be measured, in the order of the run. */
export const PARTS = [
  "base",
  "won",
  "v1 won",
  "lost",
  "mixed",
  "seller list",
  "own list",
  "sale",
  "wallet",
  "login",
  "growth",
  "audit",
  "recovery",
  "cache",
  "discounts",
  "events",
] as const;
export type Part = (typeof PARTS)[number];

export interface BenchOptions {
  /** Length of each measured window. */
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly connections: number;
  readonly parts: ReadonlySet<Part>;
  readonly json: string | undefined;
  readonly profile: string | undefined;
  /** Whether bench/RESULTS.md is written: only when everything was measured at full length. */
  readonly writesResults: boolean;
}

const FULL_SECONDS = 15;
const QUICK_SECONDS = 3;
/** Until then the just-in-time compiler is still at work on the hot path: a tenth of all CPU. */
const WARM_UP_SECONDS = 5;

const HELP = `bun run bench [options]

Measures the service with servers and data of its own, which are removed at the end, and writes
bench/RESULTS.md when all of it was measured for at least ${FULL_SECONDS} s each. Ends with 1
when the numbers of a sale do not agree.

  --seconds N       how long each load is measured (default ${FULL_SECONDS})
  --connections N   clients at once (default 64)
  --only a,b        some of: ${PARTS.join(", ")}
  --quick           ${QUICK_SECONDS} s each, to see that it works
  --json FILE       write all figures there as well
  --profile FOLDER  run the service with Bun's CPU profiler; costs time, so not for figures
  --help            this text`;

function numberOf(text: string, name: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 3_600) {
    throw new BadOption(`--${name} must be a whole number from 1 to 3600`);
  }
  return value;
}

function partsOf(text: string | undefined): Set<Part> {
  if (text === undefined) return new Set(PARTS);
  return new Set(
    text.split(",").map((name) => {
      const part = PARTS.find((one) => one === name.trim());
      if (!part)
        throw new BadOption(`--only does not know "${name}"; it knows: ${PARTS.join(", ")}`);
      return part;
    }),
  );
}

/** Reads the command line; "help" when the text has been printed. Throws with a sentence on a bad one. */
export function readOptions(line: string[]): BenchOptions | "help" {
  const { values } = parseArgs({
    args: line,
    options: {
      seconds: { type: "string" },
      connections: { type: "string", default: "64" },
      only: { type: "string" },
      quick: { type: "boolean", default: false },
      json: { type: "string" },
      profile: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return "help";
  }
  const fallback = values.quick ? QUICK_SECONDS : FULL_SECONDS;
  const seconds = numberOf(values.seconds ?? String(fallback), "seconds");
  const parts = partsOf(values.only);
  return {
    ...{ seconds, parts, json: values.json, profile: values.profile },
    warmUpSeconds: values.quick ? 1 : Math.min(WARM_UP_SECONDS, seconds),
    connections: numberOf(values.connections, "connections"),
    writesResults:
      parts.size === PARTS.length && seconds >= FULL_SECONDS && values.profile === undefined,
  };
}

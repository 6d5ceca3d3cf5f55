// A run in words.

import type { Failure, FuzzReport } from "./run.ts";

function failureText({
  operation,
  check,
  why,
  number,
  what,
  times,
  curl,
  answer,
}: Failure): string {
  return [
    `${operation}: ${check}: ${why}`,
    `  request ${number} (${what})${times > 1 ? `, and ${times - 1} more` : ""}`,
    `  ${curl}`,
    `  ${answer}`,
  ].join("\n");
}

/** One line for each operation: how often it gave which status. */
function answeredText({ answered }: FuzzReport): string {
  return [...answered]
    .map(([operation, counts]) => {
      const statuses = [...counts].toSorted(([a], [b]) => a - b);
      return `  ${operation}: ${statuses.map(([status, times]) => `${status} × ${times}`).join(", ")}`;
    })
    .join("\n");
}

/** Operations that never did what they are for: of them nothing is known but how they refuse. */
export const neverDone = ({ answered }: FuzzReport): string[] =>
  [...answered]
    .filter(([, counts]) => ![...counts.keys()].some((status) => status < 300))
    .map(([operation]) => operation);

/** What came of a run with this seed. */
export function reportText(report: FuzzReport, seed: string): string {
  const { requests, seconds, failures } = report;
  const rate = Math.round(requests / seconds);
  return [
    `seed ${seed}: ${requests} requests in ${seconds.toFixed(1)} s (${rate} a second)`,
    answeredText(report),
    ...failures.map(failureText),
    ...(failures.length > 0 ? [`again: bun run fuzz --seed ${seed} --requests ${requests}`] : []),
  ].join("\n");
}

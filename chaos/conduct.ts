// The promises that are not about single grabs: that the service serves, comes back, stays bounded and behaves.

import type { Findings } from "./findings.ts";
import type { Folded } from "./fold.ts";
import type { Ran } from "./run.ts";

const DEFINITE_SHARE_MIN = 0.5;
/** A repeat may meet one more moment of refusal on a busy machine. */
const RESOLVED_SHARE_MIN = 0.999;
const MEMORY_BYTES_MAX = 512 * 1_024 * 1_024;
/** All streams together, with MySQL away for some seconds; they hold an entry per script call that granted. */
const STREAM_ENTRIES_MAX = 20_000;
/** A stream keeps its last entry, or the marker of a recovery. */
const STREAM_ENTRIES_LEFT_MAX = 64;

export interface Ledger {
  readonly deadLetters: number;
  /** Burned numbers: those in the table, and those that recoveries have reported. */
  readonly voids: number;
  readonly voidsReported: number;
}

export interface Conduct {
  readonly folded: Pick<Folded, "outside" | "closing" | "answers">;
  readonly ran: Pick<Ran, "episodes" | "samples" | "troubles">;
  readonly ledger: Ledger;
}

export function checkConduct({ folded, ran, ledger }: Conduct, findings: Findings): void {
  const { outside, closing, answers } = folded;
  const share = outside.definite / outside.attempts;
  if (share < DEFINITE_SHARE_MIN) {
    findings.add("available", `only ${(share * 100).toFixed(1)} % outside of faults`);
  }
  if (closing.definite < closing.attempts * RESOLVED_SHARE_MIN) {
    findings.add(
      "resolved",
      `${closing.attempts - closing.definite} of ${closing.attempts} had none`,
    );
  }
  for (const { number, text, againMs } of ran.episodes) {
    if (againMs === undefined) findings.add("again", `fault ${number}: ${text}`);
  }
  for (const sentence of ran.troubles) findings.add("wellBehaved", sentence);
  checkBounds(ran.samples, findings);
  const { deadLetters, voids, voidsReported } = ledger;
  if (deadLetters > 0) findings.add("deadLetters", `${deadLetters} dead letters`);
  if (voids !== voidsReported) {
    findings.add("reported", `${voids} numbers are burned, ${voidsReported} were reported`);
  }
  for (const [what, count] of [
    ["faults", ran.episodes.length],
    ["attempts outside of faults", outside.attempts],
    ["repeats at the end", closing.attempts],
    ["grants", answers.get("grab 201 won") ?? 0],
    ["looks at memory and streams", ran.samples.looks],
  ] as const) {
    if (count === 0) findings.add("happened", `there were no ${what}`);
  }
}

function checkBounds(samples: Ran["samples"], findings: Findings): void {
  const { memoryBytesMax, streamEntriesMax, streamEntriesLeft } = samples;
  if (memoryBytesMax > MEMORY_BYTES_MAX) {
    findings.add("bounded", `a process held ${Math.round(memoryBytesMax / 2 ** 20)} MiB`);
  }
  if (streamEntriesMax > STREAM_ENTRIES_MAX) {
    findings.add("bounded", `the streams held ${streamEntriesMax} entries`);
  }
  if (streamEntriesLeft > STREAM_ENTRIES_LEFT_MAX) {
    findings.add("bounded", `${streamEntriesLeft} entries were left in the streams after the calm`);
  }
}

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

/** What has to happen in each two minutes, so that the run says something. */
const FAULTS_MIN = 20;
const ATTEMPTS_MIN = 50_000;
const PER_SECONDS = 120;

export interface Ledger {
  readonly deadLetters: number;
  /** Burned numbers: those in the table, and those that recoveries have reported. */
  readonly voids: number;
  readonly voidsReported: number;
}

export interface Conduct {
  /** How long faults were to come. */
  readonly seconds: number;
  readonly folded: Pick<Folded, "outside" | "inside" | "closing" | "answers">;
  readonly ran: Pick<Ran, "episodes" | "samples" | "troubles">;
  readonly ledger: Ledger;
}

export function checkConduct(conduct: Conduct, findings: Findings): void {
  const { folded, ran, ledger } = conduct;
  const { outside, closing } = folded;
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
  checkEnough(conduct, findings);
}

function checkEnough({ seconds, folded, ran }: Conduct, findings: Findings): void {
  const { outside, inside, closing, answers } = folded;
  const faults = ran.episodes.reduce((sum, { kinds }) => sum + kinds.length, 0);
  const attempts = outside.attempts + inside.attempts + closing.attempts;
  const share = (least: number) => Math.max(1, Math.floor((least * seconds) / PER_SECONDS));
  for (const [what, count, least] of [
    ["faults", faults, share(FAULTS_MIN)],
    ["attempts", attempts, share(ATTEMPTS_MIN)],
    ["attempts outside of faults", outside.attempts, 1],
    ["repeats at the end", closing.attempts, 1],
    ["grants", answers.get("grab 201 won") ?? 0, 1],
    ["looks at memory and streams", ran.samples.looks, 1],
  ] as const) {
    if (count < least) findings.add("happened", `${count} ${what}; at least ${least} are needed`);
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

// What a run says at its end.

import type { Checked } from "./check.ts";
import type { Tally } from "./fold.ts";
import type { ChaosOptions } from "./options.ts";
import type { Episode, Ran } from "./run.ts";

const MIB = 2 ** 20;

/** Milliseconds at a share of the sorted values; 0 when there are none. */
function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

const latencyOf = ({ attempts, definite, latencies }: Tally) => ({
  ...{ attempts, definite, definiteShare: attempts > 0 ? definite / attempts : 0 },
  ...{ p50Ms: quantile(latencies, 0.5), p99Ms: quantile(latencies, 0.99) },
});

function byKind(episodes: readonly Episode[]) {
  const kinds = new Map<string, number[]>();
  for (const { kinds: names, againMs } of episodes) {
    const name = names.length > 1 ? "two at once" : (names[0] ?? "");
    kinds.set(name, [...(kinds.get(name) ?? []), againMs ?? Number.POSITIVE_INFINITY]);
  }
  return [...kinds]
    .map(([kind, again]) => ({
      ...{ kind, times: again.length },
      ...{ againMsMedian: quantile(again, 0.5), againMsMax: Math.max(...again) },
    }))
    .toSorted((a, b) => a.kind.localeCompare(b.kind));
}

/** All figures, as they are written to a file. */
export function reportOf(
  ran: Ran,
  checked: Checked,
  cannot: ReadonlyMap<string, string>,
  options: Pick<ChaosOptions, "seed" | "loss">,
) {
  const { folded, findings, sales, rows, recoveries } = checked;
  const { samples } = ran;
  return {
    ...{ seed: options.seed, loss: options.loss, seconds: ran.seconds, calmMs: ran.calmMs },
    faults: ran.episodes.reduce((sum, { kinds }) => sum + kinds.length, 0),
    cannot: Object.fromEntries(cannot),
    kinds: byKind(ran.episodes),
    episodes: ran.episodes,
    answers: Object.fromEntries([...folded.answers].toSorted(([a], [b]) => a.localeCompare(b))),
    outside: latencyOf(folded.outside),
    inside: latencyOf(folded.inside),
    closing: latencyOf(folded.closing),
    stored: { sales, rows, recoveries },
    memoryMibMax: Math.round(samples.memoryBytesMax / MIB),
    ...{ streamEntriesMax: samples.streamEntriesMax, streamEntriesLeft: samples.streamEntriesLeft },
    findings: findings.all(),
  };
}

export type Report = ReturnType<typeof reportOf>;

const ms = (value: number): string =>
  Number.isFinite(value) ? value.toFixed(value < 10 ? 1 : 0) : "never";

/** The report for people. */
export function textOf(report: Report): string {
  const line = (name: string, { attempts, definiteShare, p50Ms, p99Ms }: Report["outside"]) =>
    `${name.padEnd(18)} ${String(attempts).padStart(9)} attempts, ${(definiteShare * 100).toFixed(1).padStart(5)} % definite, grabs p50 ${ms(p50Ms)} ms, p99 ${ms(p99Ms)} ms`;
  const attempts = report.outside.attempts + report.inside.attempts + report.closing.attempts;
  return [
    `seed ${report.seed}${report.loss ? ", with losses" : ""}: ${report.faults} faults, ${attempts} attempts in ${report.seconds.toFixed(0)} s`,
    "",
    "fault                        times  grants again after, ms: median   most",
    ...report.kinds.map(
      ({ kind, times, againMsMedian, againMsMax }) =>
        `${kind.padEnd(28)} ${String(times).padStart(5)} ${ms(againMsMedian).padStart(31)} ${ms(againMsMax).padStart(6)}`,
    ),
    ...Object.entries(report.cannot).map(([kind, why]) => `${kind.padEnd(28)} skipped: ${why}`),
    "",
    ...Object.entries(report.answers).map(
      ([answer, count]) => `${String(count).padStart(9)}  ${answer}`,
    ),
    "",
    line("without a fault", report.outside),
    line("during a fault", report.inside),
    line("repeats at the end", report.closing),
    `stored: ${report.stored.rows} grants of ${report.stored.sales} sales; ${report.stored.recoveries} recoveries of a shard`,
    `most memory of a process ${report.memoryMibMax} MiB; streams at most ${report.streamEntriesMax} entries, ${report.streamEntriesLeft} left`,
    "",
    ...verdictOf(report),
  ].join("\n");
}

function verdictOf({ findings }: Report): string[] {
  if (findings.length === 0) return ["All promises were kept."];
  return [
    "BROKEN:",
    ...findings.flatMap(({ promise, count, examples }) => [
      `  ${promise}: ${count} times`,
      ...examples.map((example) => `    ${example}`),
    ]),
  ];
}

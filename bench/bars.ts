// What the service is meant to reach, and whether it did. Of figures with rate limits on and off the worse
// one counts.

import type { Auditing } from "./auditing.ts";
import type { BareFigure } from "./bare.ts";
import type { RedisFigure } from "./baselines.ts";
import type { CacheFigure } from "./cache.ts";
import type { DiscountFigure } from "./discounts.ts";
import type { EventsFigure } from "./events.ts";
import type { Figure } from "./figures.ts";
import type { Growth } from "./growth.ts";
import type { RecoveryFigure } from "./recovery.ts";
import { V1_WON } from "./v1.ts";

/** All that one run has measured. */
export interface Results {
  readonly bare: BareFigure | undefined;
  readonly redis: readonly RedisFigure[];
  readonly figures: readonly Figure[];
  readonly growth: Growth | undefined;
  readonly auditing: Auditing | undefined;
  readonly recoveries: readonly RecoveryFigure[];
  readonly cache: readonly CacheFigure[];
  readonly discounts: readonly DiscountFigure[];
  readonly events: EventsFigure | undefined;
}

export interface Bar {
  readonly what: string;
  readonly value: number;
  readonly bar: number;
  readonly aim: number;
  readonly unit: string;
  readonly verdict: "aim reached" | "met" | "NOT MET";
  /** What a bare answer cost just before, microseconds, for what depends on how fast the machine is. */
  readonly bareMicros?: number | undefined;
}

type Judge = (
  what: string,
  values: readonly number[],
  bar: number,
  aim: number,
  unit: string,
) => Bar[];

const atMost: Judge = (what, values, bar, aim, unit) => {
  if (values.length === 0) return [];
  const value = Math.max(...values);
  const verdict = value <= aim ? "aim reached" : value <= bar ? "met" : "NOT MET";
  return [{ what, value, bar, aim, unit, verdict }];
};

const atLeast: Judge = (what, values, bar, aim, unit) => {
  if (values.length === 0) return [];
  const value = Math.min(...values);
  const verdict = value >= aim ? "aim reached" : value >= bar ? "met" : "NOT MET";
  return [{ what, value, bar, aim, unit, verdict }];
};

const defined = (values: (number | undefined)[]) => values.filter((value) => value !== undefined);

/** The bars that this run has figures for. */
export const judge = (results: Results): Bar[] => [
  ...judgeGrabs(results),
  ...judgeRecoveries(results),
  ...judgeCache(results),
  ...judgeDiscounts(results),
  ...judgeAuditing(results),
];

function judgeGrabs({ redis, figures, growth }: Results): Bar[] {
  const of = (scenario: string) => figures.filter((figure) => figure.scenario === scenario);
  const base = redis[0]?.perSecond;
  const ratios = (scenario: string) =>
    base === undefined ? [] : of(scenario).map(({ perSecond }) => perSecond / base);
  const cpu = (what: string, scenario: string, part: "api" | "sum", bar: number, aim: number) => {
    const measured = of(scenario);
    const values = measured.map((figure) => figure.cpu[part]);
    const { bareMicros } = measured[values.indexOf(Math.max(...values))] ?? {};
    return atMost(what, values, bar, aim, "µs").map((judged) => ({ ...judged, bareMicros }));
  };
  const v1Ratios = defined(of(V1_WON).map(({ costBesideClassic }) => costBesideClassic));
  const persisted = defined(of("won").map(({ persistMs }) => persistMs && persistMs / 1_000));
  const memory = defined(of("won").map(({ bytesPerGrant }) => bytesPerGrant));
  const growths = growth ? [growth.ratio] : [];
  return [
    ...atLeast("won, requests/s against redis-benchmark", ratios("won"), 0.5, 1, "×"),
    ...atLeast("lost, requests/s against redis-benchmark", ratios("lost"), 0.8, 1.5, "×"),
    ...cpu("API CPU per won grab", "won", "api", 45, 25),
    ...atMost("API CPU per won grab of /v1 against the classic one", v1Ratios, 1.15, 1, "×"),
    ...cpu("API CPU per lost grab", "lost", "api", 35, 18),
    ...cpu("seller's list of 20, CPU of all", "seller list", "sum", 60, 30),
    ...cpu("API CPU per sale read from memory, /v1", "sale", "api", 25, 15),
    ...cpu("API CPU per wallet page, /v1", "wallet", "api", 60, 40),
    ...atMost("last row in MySQL after the last won grab", persisted, 5, 1, "s"),
    ...atMost("memory per grant in Redis", memory, 120, 80, "bytes"),
    ...atMost("growth: CPU of all per won grab, loaded against empty", growths, 1.3, 1.1, "×"),
  ];
}

function judgeRecoveries({ recoveries }: Results): Bar[] {
  const closed = (size: number, from: "closedMs" | "afterRedisMs") =>
    recoveries.filter(({ grants }) => grants === size).map((one) => one[from] / 1_000);
  const slowest = recoveries.map(({ slowestMs }) => slowestMs);
  return [
    ...atMost("grabs closed after kill -9 of Redis", closed(100_000, "closedMs"), 5, 2, "s"),
    ...atMost("the same, from Redis's first answer", closed(100_000, "afterRedisMs"), 1, 0.5, "s"),
    ...atMost("grabs closed, 1,000,000 grants rebuilt", closed(1_000_000, "closedMs"), 60, 30, "s"),
    ...atMost("a recovery's slowest command in Redis", slowest, 20, 10, "ms"),
  ];
}

function judgeCache({ cache }: Results): Bar[] {
  const hits = cache.filter(({ exponent, scan }) => exponent === 1.5 && scan === 0);
  const own = hits.map((figure) => figure.own * 100);
  return atLeast("hits in memory, Zipf 1.5, with 1 % of the things", own, 95, 97, "%");
}

function judgeDiscounts({ discounts }: Results): Bar[] {
  const of = (what: "calculate" | "best", coupons: number) =>
    discounts.filter((one) => one.what === what && one.coupons === coupons);
  const calculated = of("calculate", 5).map(({ micros }) => micros);
  const best = of("best", 20).map(({ micros }) => micros / 1_000);
  const hardest = of("best", 100).map(({ worstMicros }) => worstMicros / 1_000);
  return [
    ...atMost("discounts of 5 coupons for 20 items", calculated, 300, 60, "µs"),
    ...atMost("best combination of 20 coupons", best, 5, 2, "ms"),
    ...atMost("the same of 100 for 100 items, ended", hardest, 20, 10, "ms"),
  ];
}

function judgeAuditing({ auditing }: Results): Bar[] {
  if (!auditing) return [];
  return [
    ...atMost("audit of 1,000,000 grants", [auditing.seconds], 20, 10, "s"),
    ...atMost("memory of that audit", [auditing.megabytes], 300, 250, "MB"),
    ...atMost("its slowest command in Redis", [auditing.slowestMs], 20, 10, "ms"),
  ];
}

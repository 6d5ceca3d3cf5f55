// The course of every scenario: a system of its own, a warm-up that also tells how many requests will be
// needed, the requests made in advance, how fast the machine is at this moment, the measured load, and what is to be
// looked at afterwards.

import { bareMicros } from "./bare.ts";
import { machineMicros, readCpu } from "./cpu.ts";
import { type CpuMark, cpuPerRequest, type Figure, othersCores, perSecondOf } from "./figures.ts";
import { type LoadOptions, runLoad, totalOf } from "./load.ts";
import type { LoadResult } from "./protocol.ts";
import type { RequestFile } from "./requests.ts";
import type { System } from "./system.ts";

/** More than the service answers a second on two cores that it shares with the generator. */
const WARM_UP_PER_SECOND = 50_000;
/** The measured load may be faster than the warm-up, in which the service was being compiled. */
const RESERVE = 2.2;
const RAMP_AND_REST_SECONDS = 2;

export interface RunOptions {
  readonly connections: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** How often each request may be sent; once unless given. */
  readonly rounds?: number;
  /** What a bare answer cost a moment ago; measured where it is not given. */
  readonly bareMicros?: number | undefined;
  /** Answers a second that the warm-up is prepared for. */
  readonly perSecondMax?: number;
}

/** Makes a file of `count` requests that were never made before. */
export type MakeRequests = (count: number) => RequestFile | Promise<RequestFile>;

export interface Measured {
  readonly warmUp: LoadResult;
  readonly load: LoadResult;
  readonly figure: Omit<Figure, "scenario" | "limits">;
}

export interface MeasureHooks {
  /** After the warm-up, before the measured requests are made. */
  warmed?(): Promise<void>;
  /** After the last answer: resolves when nothing is left to be written. */
  settle?(load: LoadResult): Promise<Partial<Figure>>;
}

function takeMark(system: System): CpuMark {
  const { user, system: kernel } = process.cpuUsage();
  return { ...readCpu(system.pids()), bench: user + kernel, machine: machineMicros() };
}

/** Warms up and measures one load on a running system. */
export async function measure(
  system: System,
  run: RunOptions,
  make: MakeRequests,
  { warmed, settle }: MeasureHooks = {},
): Promise<Measured> {
  const { bench } = system;
  const { connections, seconds, warmUpSeconds, rounds = 1 } = run;
  const { perSecondMax = WARM_UP_PER_SECOND } = run;
  const at = (duration: number): LoadOptions => ({ connections, seconds: duration, rounds });
  const needed = (perSecond: number, duration: number) =>
    Math.ceil((perSecond * (duration + RAMP_AND_REST_SECONDS)) / rounds) + 2 * connections;
  const first = await make(needed(perSecondMax, warmUpSeconds));
  const warmUp = await runLoad(bench, system.url(), first, at(warmUpSeconds));
  await warmed?.();
  const second = await make(needed(perSecondOf(warmUp) * RESERVE, seconds));
  const bare = run.bareMicros ?? (await bareMicros(bench, connections));
  const before = await system.grabCalls();
  const marks: { begin?: CpuMark; end?: CpuMark } = {};
  const load = await runLoad(bench, system.url(), second, at(seconds), {
    begun: () => {
      marks.begin = takeMark(system);
    },
    ended: () => {
      marks.end = takeMark(system);
    },
  });
  const more = (await settle?.(load)) ?? {};
  const settled = readCpu(system.pids());
  const after = await system.grabCalls();
  const calls = after.calls - before.calls;
  const { begin, end } = marks;
  if (!begin || !end || totalOf(load.answered) === 0) {
    throw new Error("the generator measured nothing: its requests ran out before it began");
  }
  const note = load.exhausted
    ? `its requests ran out after ${load.seconds.toFixed(1)} s`
    : undefined;
  return {
    ...{ warmUp, load },
    figure: {
      ...{ load, perSecond: perSecondOf(load), bareMicros: bare },
      cpu: cpuPerRequest({ begin, end, settled }, load),
      othersCores: othersCores({ begin, end }, load),
      ...(calls > 0 ? { attemptsPerCall: (after.attempts - before.attempts) / calls } : {}),
      ...(note ? { note } : {}),
      ...more,
    },
  };
}

// What a scenario yields, and the arithmetic on it.

import type { CpuTimes } from "./cpu.ts";
import { totalOf } from "./load.ts";
import type { LoadResult } from "./protocol.ts";

/** CPU in microseconds per request. */
export interface CpuPerRequest extends CpuTimes {
  readonly sum: number;
}

/** Numbers of one sale, or of several added up. */
export interface Audit {
  /** 201s that clients got. */
  readonly confirmed: number;
  readonly grantedInRedis: number;
  readonly recordedInRedis: number;
  readonly rowsInMysql: number;
  readonly distinctNumbers: number;
  readonly distinctUsers: number;
  readonly deadLetters: number;
  readonly agrees: boolean;
}

export interface Figure {
  readonly scenario: string;
  readonly limits: "on" | "off";
  readonly load: LoadResult;
  readonly perSecond: number;
  readonly cpu: CpuPerRequest;
  /** What a bare answer cost just before, microseconds. */
  readonly bareMicros: number;
  readonly audit?: Audit;
  /** From the last 201 until MySQL had every row, milliseconds. */
  readonly persistMs?: number;
  /** Redis's memory per grant after the ledger was trimmed, bytes. */
  readonly bytesPerGrant?: number;
  /** How many grants that was taken over. */
  readonly grantsInMemory?: number;
  /** How many attempts travelled in one script call, on average. */
  readonly attemptsPerCall?: number;
  /** Cores that were busy in the window with something that is not part of the bench. */
  readonly othersCores: number;
  /** What it cost the API against the classic grab at the same time; for the grab of /v1. */
  readonly costBesideClassic?: number;
  readonly note?: string;
}

/** A moment: the CPU times of the service's parts, of the bench itself and of the whole machine. */
export interface CpuMark extends CpuTimes {
  readonly bench: number;
  readonly machine: number;
}

export interface CpuMarks {
  readonly begin: CpuMark;
  /** At the end of the window. */
  readonly end: CpuMark;
  /** When everything was written. */
  readonly settled: CpuTimes;
}

/**
 * The API is measured in the window. What the ledger's thread, Redis and MySQL do for a grant comes partly
 * after its answer, so theirs is measured until everything is written, and divided by all answers until then.
 */
export function cpuPerRequest({ begin, end, settled }: CpuMarks, load: LoadResult): CpuPerRequest {
  const inWindow = Math.max(1, totalOf(load.answered));
  const withTail = Math.max(1, totalOf(load.answeredWithTail));
  const api = (end.api - begin.api) / inWindow;
  const worker = (settled.worker - begin.worker) / withTail;
  const redis = (settled.redis - begin.redis) / withTail;
  const mysql = (settled.mysql - begin.mysql) / withTail;
  return { api, worker, redis, mysql, sum: api + worker + redis + mysql };
}

/** What the machine did in the window besides the service, its servers, the generator and the bench. */
export function othersCores({ begin, end }: Omit<CpuMarks, "settled">, load: LoadResult): number {
  const known = (mark: CpuMark) => mark.api + mark.worker + mark.redis + mark.mysql + mark.bench;
  const generator = load.generatorMicros * totalOf(load.answered);
  const others = end.machine - begin.machine - (known(end) - known(begin)) - generator;
  return Math.max(0, others / 1e6 / load.seconds);
}

export const perSecondOf = (load: LoadResult): number => totalOf(load.answered) / load.seconds;

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? high : (high + (sorted[middle - 1] ?? high)) / 2;
}

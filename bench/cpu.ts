// CPU time from /proc. The ledger's thread is told from the API's by its name; everything else in the API's
// process, the runtime's own threads included, counts to the API.

import { readdirSync, readFileSync } from "node:fs";

/** Linux counts in hundredths of a second in /proc, whatever the kernel's own tick is. */
const TICK_MICROS = 10_000;
const WORKER_THREAD_NAME = /^Worker/;

/** CPU time used since the process began, in microseconds. */
export interface CpuTimes {
  readonly api: number;
  readonly worker: number;
  readonly redis: number;
  readonly mysql: number;
}

export interface Pids {
  readonly api: number;
  readonly redis: number;
  readonly mysql: number;
}

/** User and system time of a process with all its threads, or of one thread, in microseconds. */
function microsOf(statFile: string): number {
  const text = readFileSync(statFile, "utf8");
  // The second field is a name in brackets that may hold anything; user and system are the 14th and 15th.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MICROS;
}

export const processMicros = (pid: number): number => microsOf(`/proc/${pid}/stat`);

/** The ids of the threads of a process that carry the name of a Bun `Worker`. */
function workerThreads(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`)
    .map(Number)
    .filter((thread) =>
      WORKER_THREAD_NAME.test(readFileSync(`/proc/${pid}/task/${thread}/comm`, "utf8")),
    );
}

export function readCpu({ api, redis, mysql }: Pids): CpuTimes {
  const worker = workerThreads(api).reduce(
    (sum, thread) => sum + microsOf(`/proc/${api}/task/${thread}/stat`),
    0,
  );
  return {
    api: processMicros(api) - worker,
    worker,
    redis: processMicros(redis),
    mysql: processMicros(mysql),
  };
}

/**
 * CPU time that the whole machine has spent, and what the host took from it, in microseconds. Less what the
 * bench knows of, this tells whether somebody else was at work: then all figures are too high.
 */
export function machineMicros(): number {
  const [, ...fields] = (readFileSync("/proc/stat", "utf8").split("\n")[0] ?? "").split(/\s+/);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = fields.map(Number);
  return (user + nice + system + irq + softirq + steal) * TICK_MICROS;
}

// Redis or the database as something that faults happen to.

import type { ServerProcess } from "../src/embedded/process.ts";

export interface Server {
  readonly name: "redis" | "mysql";
  readonly pid: number | undefined;
  kill(): Promise<void>;
  /** Starts it unless it runs, through a program such as `env` if one is given, and waits until it is ready. */
  start(through?: readonly string[]): Promise<void>;
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Starts it when it has ended by itself, which is remembered as a death. */
  revive(): Promise<void>;
}

/** `through` is what the process was told to be started through. */
export function serverOf(
  name: "redis" | "mysql",
  process: ServerProcess,
  through: Record<"redis" | "mysql", readonly string[]>,
  deaths: string[],
): Server {
  const start = async (by: readonly string[] = []) => {
    if (process.pid !== undefined) return;
    through[name] = by;
    await process.start();
  };
  return {
    name,
    get pid() {
      return process.pid;
    },
    start,
    kill: () => process.kill("SIGKILL"),
    freeze: () => process.kill("SIGSTOP"),
    thaw: () => process.kill("SIGCONT"),
    async revive() {
      if (process.pid !== undefined) return;
      deaths.push(`${name} ended by itself`);
      await start();
    },
  };
}

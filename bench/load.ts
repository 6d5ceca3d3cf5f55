// One load on one process: runs the generator, and takes the CPU times at the two ends of its window.

import type { Subprocess } from "bun";
import type { FromGenerator, LoadOrder, LoadResult } from "./protocol.ts";
import type { RequestFile } from "./requests.ts";
import type { Bench } from "./system.ts";

/** How long before the window the generator already runs, for its own just-in-time compiler. */
const RAMP_SECONDS = 1;

export interface LoadHooks {
  begun(): void;
  ended(): void;
}

export interface LoadOptions {
  readonly connections: number;
  readonly seconds: number;
  readonly rounds?: number;
}

/** Sends the requests to `url` and waits for the last answer. Throws when the generator fails or was stopped. */
export async function runLoad(
  bench: Bench,
  url: string,
  requests: RequestFile,
  { connections, seconds, rounds = 1 }: LoadOptions,
  hooks: LoadHooks = { begun() {}, ended() {} },
): Promise<LoadResult> {
  bench.stop.throwIfAborted();
  const order: LoadOrder = {
    ...{ url, connections, seconds, rampSeconds: RAMP_SECONDS, rounds },
    ...requests,
  };
  const answered = Promise.withResolvers<LoadResult>();
  const child: Subprocess = Bun.spawn(
    [
      process.execPath,
      "--no-orphans",
      "--no-env-file",
      new URL("./generator.ts", import.meta.url).pathname,
      JSON.stringify(order),
    ],
    {
      stdin: "ignore",
      stdout: "inherit",
      stderr: "inherit",
      detached: true,
      ipc(message: FromGenerator) {
        if (message.type === "begun") hooks.begun();
        else if (message.type === "ended") hooks.ended();
        else answered.resolve(message.result);
      },
    },
  );
  const kill = () => child.kill("SIGKILL");
  bench.stop.addEventListener("abort", kill);
  const ended = child.exited.then((code) => {
    bench.stop.removeEventListener("abort", kill);
    bench.stop.throwIfAborted();
    answered.reject(new Error(`the load generator ended with ${code} and no result`));
  });
  return Promise.race([answered.promise, ended.then(() => answered.promise)]);
}

export const totalOf = (statuses: Readonly<Record<string, number>>): number =>
  Object.values(statuses).reduce((sum, count) => sum + count, 0);

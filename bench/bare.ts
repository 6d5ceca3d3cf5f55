// What Bun alone does with a request: a server that answers 20 bytes to whatever comes. It is measured as a base line,
// and for a moment beside each scenario: a machine is not equally fast all the time, and this tells how fast it was.

import { join } from "node:path";
import { processMicros } from "./cpu.ts";
import { perSecondOf } from "./figures.ts";
import { runLoad, totalOf } from "./load.ts";
import { customer, type RequestFile, requestText, writeRequests } from "./requests.ts";
import type { Bench } from "./system.ts";

const SERVER = new URL("./bare-server.ts", import.meta.url).pathname;
const REQUESTS = 100_000;
const ROUNDS = 200;
const WARM_UP_SECONDS = 1;
const BESIDE_SECONDS = 2;

export interface BareFigure {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuMicros: number;
  readonly generatorMicros: number;
}

/** By run. They are written once: signing them takes longer than what is measured beside a scenario. */
const written = new WeakMap<Bench, RequestFile>();

/** The same requests as for a grab. */
function requestsOf(bench: Bench): RequestFile {
  const known = written.get(bench);
  if (known) return known;
  const requests = writeRequests(join(bench.folder, "bare-requests"), REQUESTS, (index) => {
    const token = bench.mint.token(customer(index));
    return requestText("PATCH", "/api/users/seller/coupons/sale-000001", { Authorization: token });
  });
  written.set(bench, requests);
  return requests;
}

export async function measureBare(
  bench: Bench,
  { connections, seconds }: { connections: number; seconds: number },
): Promise<BareFigure> {
  const child = Bun.spawn([process.execPath, "--no-orphans", "--no-env-file", SERVER], {
    ...{ stdin: "ignore", stdout: "pipe", stderr: "inherit", detached: true },
  });
  try {
    const { value } = await child.stdout.getReader().read();
    const url = `http://127.0.0.1:${Number(new TextDecoder().decode(value))}`;
    const requests = requestsOf(bench);
    const load = { connections, rounds: ROUNDS };
    await runLoad(bench, url, requests, { ...load, seconds: WARM_UP_SECONDS });
    let begin = 0;
    let end = 0;
    const result = await runLoad(
      bench,
      url,
      requests,
      { ...load, seconds },
      {
        begun: () => {
          begin = processMicros(child.pid);
        },
        ended: () => {
          end = processMicros(child.pid);
        },
      },
    );
    const latency = result.latency["200"];
    return {
      ...{ perSecond: perSecondOf(result), generatorMicros: result.generatorMicros },
      ...{ p50Ms: latency?.p50Ms ?? 0, p99Ms: latency?.p99Ms ?? 0 },
      cpuMicros: (end - begin) / totalOf(result.answered),
    };
  } finally {
    child.kill("SIGKILL");
    await child.exited;
  }
}

/** CPU in microseconds of a bare answer at this moment. */
export const bareMicros = async (bench: Bench, connections: number): Promise<number> =>
  (await measureBare(bench, { connections, seconds: BESIDE_SECONDS })).cpuMicros;

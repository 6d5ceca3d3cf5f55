// The harness's side of the clients' process.

import { join } from "node:path";
import type { ClientsOrder, FromClients, ToClients } from "./protocol.ts";

const PROGRAM = new URL("./clients.ts", import.meta.url).pathname;
const WAIT_MS = 10;
/** How long the first sales may take to be made. */
const BEGUN_MS_MAX = 60_000;
/** How long the last questions may take to be asked: a longer run leaves more of them. */
const closedMsMax = (seconds: number): number => 40_000 + seconds * 100;

export interface Crowd {
  readonly historyFile: string;
  attempts(): number;
  /** True when on every process a grab was won that began after this time, in milliseconds since 1970. */
  hasWonSince(time: number): boolean;
  /** Marks what is attempted from now on as under this fault, or under none. */
  window(fault: number | null): void;
  /** Ends the load, lets the clients ask for what is uncertain, and waits until all is written down. */
  close(): Promise<void>;
  kill(): Promise<void>;
}

/** Starts the clients and waits until their first sales are made. Throws when they end before. */
export async function startCrowd(
  folder: string,
  order: Omit<ClientsOrder, "historyFile">,
): Promise<Crowd> {
  const historyFile = join(folder, "history.jsonl");
  let attempts = 0;
  let wonStartedAt: readonly number[] = [];
  let phase: "starting" | "begun" | "closed" = "starting";
  const child = Bun.spawn(
    [
      ...[process.execPath, "--no-orphans", "--no-env-file", PROGRAM],
      JSON.stringify({ ...order, historyFile } satisfies ClientsOrder),
    ],
    {
      ...{ stdin: "ignore", stdout: "inherit", stderr: "inherit", detached: true },
      ipc(message: FromClients) {
        if (message.type === "progress") ({ attempts, wonStartedAt } = message);
        else phase = message.type;
      },
    },
  );
  const patienceMs = { begun: BEGUN_MS_MAX, closed: closedMsMax(order.seconds) };
  const until = async (wanted: "begun" | "closed"): Promise<void> => {
    const deadline = performance.now() + patienceMs[wanted];
    while (phase !== wanted) {
      // Its last message may still be on the way.
      if (child.exitCode === 0 && wanted === "closed") return;
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`the clients ended with ${child.exitCode ?? child.signalCode}`);
      }
      if (performance.now() > deadline) throw new Error(`the clients have not ${wanted} in time`);
      await Bun.sleep(WAIT_MS);
    }
  };
  const send = (message: ToClients): void => {
    child.send(message);
  };
  await until("begun");
  return {
    historyFile,
    attempts: () => attempts,
    hasWonSince: (time) =>
      order.ports.every((_, api) => (wonStartedAt[api] ?? Number.NEGATIVE_INFINITY) > time),
    window: (fault) => send({ type: "window", fault }),
    async close() {
      send({ type: "close" });
      await until("closed");
      await child.exited;
    },
    async kill() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

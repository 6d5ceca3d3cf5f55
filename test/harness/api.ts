// The service as a real process, for tests that need real signals or several processes.

import { randomBytes } from "node:crypto";
import { stopLater } from "./servers.ts";
import { until } from "./until.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

/** Opening may have to wait for the lease of a process that was killed to run out. */
const READY_MS = 30_000;

/** One secret for all processes of a test file, so that a token of one is good on the other. */
export const TEST_SECRET = randomBytes(48).toString("base64url");

/** The same for the codes of coupons. */
export const TEST_CODE_SECRET = randomBytes(48).toString("base64url");

/** A child process whose output is collected. */
export interface Watched {
  readonly pid: number;
  /** All it has written so far, standard output and error together. */
  output(): string;
  /** Undefined while it runs. */
  exitCode(): number | undefined;
  /** Sends a signal and waits for the end; gives the exit code, or null when a signal ended it. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

export interface TestApi extends Watched {
  readonly url: string;
  readonly opsUrl: string;
}

/** Starts a command in `folder` with a clean environment; it is killed after the test file at the latest. */
export function watch(
  command: string[],
  environment: Record<string, string> = {},
  folder: string = ROOT,
): Watched {
  const { PATH = "", HOME = "", TMPDIR } = process.env;
  const child = Bun.spawn(command, {
    cwd: folder,
    env: { PATH, HOME, ...(TMPDIR ? { TMPDIR } : {}), ...environment },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  let output = "";
  const collect = async (stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder();
    for await (const chunk of stream) output += decoder.decode(chunk, { stream: true });
  };
  const collected = Promise.all([collect(child.stdout), collect(child.stderr)]);
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    await child.exited;
    await collected;
    return child.exitCode;
  };
  stopLater(async () => {
    if (child.exitCode === null && child.signalCode === null) await end("SIGKILL");
  });
  return {
    pid: child.pid,
    output: () => output,
    exitCode: () => child.exitCode ?? undefined,
    end,
  };
}

export interface StartOptions {
  /** False: does not wait until `/readyz` answers 200. */
  ready?: boolean;
  /** A command that runs the one behind it, such as a shell that lowers a limit first. */
  under?: string[];
  /** Where `src/` is; another version of it may be there. */
  folder?: string;
}

/**
 * Starts `src/main.ts` on free ports and waits until it listens and, unless told otherwise, until
 * `/readyz` answers 200. `settings` are environment variables and win over the defaults here.
 */
export async function startApi(
  settings: Record<string, string> & { REDIS_URL: string; DATABASE_URL: string },
  { ready = true, under = [], folder }: StartOptions = {},
): Promise<TestApi> {
  const watched = watch(
    [...under, process.execPath, "--no-orphans", "--no-env-file", "src/main.ts"],
    {
      ...{ HOST: "127.0.0.1", PORT: "0", OPS_PORT: "0" },
      ...{ JWT_SECRET: TEST_SECRET, CODE_SECRET: TEST_CODE_SECRET, ...settings },
    },
    folder,
  );
  const { url, opsUrl } = await until("the service to listen", () => {
    if (watched.exitCode() !== undefined) throw new Error(`it ended:\n${watched.output()}`);
    return listeningLine(watched.output());
  });
  if (ready) {
    await until(`${url}/readyz`, async () => (await fetch(`${url}/readyz`)).ok, {
      withinMs: READY_MS,
    });
  }
  return { ...watched, url, opsUrl };
}

function listeningLine(output: string): { url: string; opsUrl: string } | undefined {
  const line = output.split("\n").find((text) => text.includes('"msg":"listening"'));
  return line ? (JSON.parse(line) as { url: string; opsUrl: string }) : undefined;
}

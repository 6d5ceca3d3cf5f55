// The service as a process, as `bun run serve` starts it.

import { resolve } from "node:path";
import { linesOf } from "../scripts/lines.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const READY_MS_MAX = 120_000;
const STOP_MS_MAX = 30_000;
const ASK_EVERY_MS = 20;

export interface GrabCalls {
  readonly calls: number;
  readonly attempts: number;
}

export interface Api {
  readonly pid: number;
  readonly url: string;
  /** Script calls for grabs so far, and the attempts that they carried, by the service's own metrics. */
  grabCalls(): Promise<GrabCalls>;
  /** Ends it in order; kills it when that takes too long. Harmless when it has ended. */
  stop(): Promise<void>;
}

/**
 * Starts `src/main.ts` and waits until it is ready; with a CPU profile at its end if `profile` names a folder.
 * Throws with its output when it ends before.
 */
export async function startApi(
  settings: Record<string, string>,
  profile: string | undefined,
): Promise<Api> {
  const profiler = profile ? ["--cpu-prof", `--cpu-prof-dir=${resolve(profile)}`] : [];
  const { PATH = "", HOME = "" } = process.env;
  const child = Bun.spawn(
    [process.execPath, "--no-orphans", "--no-env-file", ...profiler, "src/main.ts"],
    {
      cwd: ROOT,
      env: { PATH, HOME, HOST: "127.0.0.1", PORT: "0", OPS_PORT: "0", ...settings },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
      // A session of its own: Ctrl-C reaches the bench, which ends the service when its turn comes.
      detached: true,
    },
  );
  const lines: string[] = [];
  void collectLines(child.stdout, lines);
  const stop = async () => {
    child.kill("SIGINT");
    const late = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
    await child.exited;
    clearTimeout(late);
  };
  const deadline = performance.now() + READY_MS_MAX;
  for (;;) {
    if (child.exitCode !== null || performance.now() > deadline) {
      await stop();
      throw new Error(`the service did not become ready:\n${lines.slice(-20).join("\n")}`);
    }
    const listening = lines.find((line) => line.includes('"msg":"listening"'));
    if (listening && lines.some((line) => line.includes('"msg":"ready"'))) {
      const { url, opsUrl } = JSON.parse(listening) as { url: string; opsUrl: string };
      return { pid: child.pid, url, stop, grabCalls: () => askGrabCalls(opsUrl) };
    }
    await Bun.sleep(ASK_EVERY_MS);
  }
}

async function askGrabCalls(opsUrl: string): Promise<GrabCalls> {
  const text = await (await fetch(`${opsUrl}/metrics`)).text();
  const value = (name: string) => Number(new RegExp(`^${name} (\\d+)`, "m").exec(text)?.[1] ?? 0);
  return {
    calls: value("doorbuster_grab_call_attempts_count"),
    attempts: value("doorbuster_grab_call_attempts_sum"),
  };
}

async function collectLines(stream: ReadableStream<Uint8Array>, lines: string[]): Promise<void> {
  for await (const line of linesOf(stream)) {
    lines.push(line);
    // Level 40 and above: what the service has to complain about belongs in the bench's own output.
    if (/"level":[456]0/.test(line)) console.error(`  service: ${line}`);
  }
}

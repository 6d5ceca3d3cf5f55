// One private server process. It is started and asked until it answers; while it should be up, one that
// dies is started again, each time after a longer pause, and the pause becomes short again once it has
// stayed up. The process leads a session of its own, so that Ctrl-C in the terminal reaches the launcher
// only, and the servers stop in order. `bun --no-orphans` ends it when the launcher is killed.

import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
} from "node:fs";
import type { Subprocess } from "bun";
import { limits } from "../limits.ts";
import { CannotStart } from "./errors.ts";
import { listens } from "./probe.ts";

/** What to run, and how to see that it is ready. */
export interface ServerProgram {
  /** For people: "redis-server". */
  readonly name: string;
  readonly command: readonly string[];
  readonly socket: string;
  /** What one that was killed may leave, and the next would take for another that lives; removed when nobody listens. */
  readonly lockFile?: string;
  /** Standard output and error are appended here; emptied at start when it has grown large. */
  readonly logFile: string;
  /** True when the server answers and is ready for work. May throw when it never will be. */
  isReady(): Promise<boolean>;
}

export interface ServerOptions {
  /** Start it again when it dies; tests that kill servers switch this off. */
  readonly keepUp: boolean;
  /** Tells the person at the terminal, in one sentence, what is slow or went wrong. */
  readonly onSay: (text: string) => void;
  /** Once aborted, it is not started any more. */
  readonly signal?: AbortSignal | undefined;
  /** What each start goes through, such as `env` with settings; a program that becomes the server, so that the pid stays. */
  readonly through?: () => readonly string[];
}

export class ServerProcess {
  readonly #program: ServerProgram;
  readonly #options: ServerOptions;
  #child: Subprocess | undefined;
  #stopping = new AbortController();
  #keeper: Promise<void> = Promise.resolve();

  constructor(program: ServerProgram, options: ServerOptions) {
    this.#program = program;
    this.#options = options;
  }

  /** The id of the process, while there is one; changes when it is started again. */
  get pid(): number | undefined {
    return this.#child?.exitCode === null && this.#child.signalCode === null
      ? this.#child.pid
      : undefined;
  }

  /** Starts the server and waits until it is ready. Throws `CannotStart` with the end of its log when it ends before. */
  async start(): Promise<void> {
    this.#stopping = new AbortController();
    if (this.#options.signal?.aborted) this.#stopping.abort();
    await this.#untilSocketIsFree();
    const child = await this.#spawn();
    if (this.#options.keepUp) this.#keeper = this.#keepUp(child);
  }

  /** Sends a signal and, when it is one that ends the process, waits for the end. */
  async kill(signal: "SIGKILL" | "SIGTERM" | "SIGSTOP" | "SIGCONT"): Promise<void> {
    const child = this.#child;
    child?.kill(signal);
    if (signal === "SIGKILL" || signal === "SIGTERM") await child?.exited;
  }

  /** Asks the server to stop and waits for it; after `serverStopMsMax` it is killed. Harmless when it is not running. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    const child = this.#child;
    if (child) {
      child.kill("SIGTERM");
      const late = setTimeout(() => {
        this.#options.onSay(`${this.#program.name} does not stop; killing it`);
        child.kill("SIGKILL");
      }, limits.serverStopMsMax);
      await child.exited;
      clearTimeout(late);
    }
    await this.#keeper;
  }

  /** A launcher that was killed a moment ago may have left a server that is still ending. */
  async #untilSocketIsFree(): Promise<void> {
    const deadline = performance.now() + limits.serverLeaveMsMax;
    while (await listens(this.#program.socket)) {
      if (performance.now() > deadline) {
        throw new CannotStart(
          `Another process serves ${this.#program.socket} and does not go away. Find it with: ps ax | grep ${this.#program.name}`,
        );
      }
      await Bun.sleep(limits.serverProbePauseMs);
    }
    const { lockFile } = this.#program;
    if (lockFile !== undefined) rmSync(lockFile, { force: true });
  }

  async #spawn(): Promise<Subprocess> {
    const { name, command, logFile } = this.#program;
    if (existsSync(logFile) && statSync(logFile).size > limits.serverLogBytesMax) {
      truncateSync(logFile);
    }
    const log = openSync(logFile, "a", 0o600);
    const child = Bun.spawn([...(this.#options.through?.() ?? []), ...command], {
      detached: true,
      stdin: "ignore",
      stdout: log,
      stderr: log,
    });
    closeSync(log);
    this.#child = child;
    const slow = setTimeout(
      () => this.#options.onSay(`${name} is still getting ready; its log is ${logFile}`),
      limits.serverSlowMs,
    );
    try {
      await this.#untilReady(child);
    } finally {
      clearTimeout(slow);
    }
    return child;
  }

  async #untilReady(child: Subprocess): Promise<void> {
    const { name, logFile } = this.#program;
    const deadline = performance.now() + limits.serverReadyMsMax;
    while (child.exitCode === null && child.signalCode === null) {
      if (this.#stopping.signal.aborted) break;
      if (await this.#program.isReady()) return;
      if (performance.now() > deadline) child.kill("SIGKILL");
      await Bun.sleep(limits.serverProbePauseMs);
    }
    throw new CannotStart(
      this.#stopping.signal.aborted
        ? `${name} was stopped before it was ready`
        : `${name} ended ${howItEnded(child)} before it was ready. The end of ${logFile}:\n${tailOf(logFile)}`,
    );
  }

  async #keepUp(first: Subprocess): Promise<void> {
    const { name } = this.#program;
    let child = first;
    let delayMs: number = limits.serverRestartDelayMsMin;
    for (;;) {
      const since = performance.now();
      await child.exited;
      if (this.#stopping.signal.aborted) return;
      if (performance.now() - since > limits.serverSteadyMs)
        delayMs = limits.serverRestartDelayMsMin;
      this.#options.onSay(
        `${name} (process ${child.pid}) ended ${howItEnded(child)}; starting it again in ${delayMs} ms`,
      );
      await pause(delayMs, this.#stopping.signal);
      if (this.#stopping.signal.aborted) return;
      delayMs = Math.min(delayMs * 2, limits.serverRestartDelayMsMax);
      try {
        child = await this.#spawn();
        this.#options.onSay(`${name} is back, as process ${child.pid}`);
      } catch (error) {
        if (!(error instanceof CannotStart)) throw error;
        if (this.#stopping.signal.aborted) return;
        this.#options.onSay(error.message);
      }
    }
  }
}

const howItEnded = (child: Subprocess): string =>
  child.signalCode === null ? `with code ${child.exitCode}` : `by ${child.signalCode}`;

/** The last lines of a log, indented. */
function tailOf(logFile: string): string {
  const lines = readFileSync(logFile, "utf8").trimEnd().split("\n");
  return lines.slice(-limits.serverLogTailLines).join("\n").replace(/^/gm, "  ");
}

/** Waits, or less when the signal comes. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

// One process of the service, that can be killed, stopped and started again, behind links of its own.

import { closeSync, openSync, readFileSync, statSync } from "node:fs";
import type { Subprocess } from "bun";
import { type FaultProxy, startProxy, type Upstream } from "../test/harness/proxy.ts";
import type { LinkName } from "./schedule.ts";

const LISTEN_MS_MAX = 30_000;
const ASK_EVERY_MS = 10;
const STOP_MS_MAX = 30_000;
/** Nobody listens there. */
const NOWHERE = 1;

export interface ApiOptions {
  readonly index: number;
  /** The source that is run. */
  readonly service: string;
  readonly logFile: string;
  readonly secret: string;
  readonly codeSecret: string;
  readonly redis: Upstream;
  readonly mysql: Upstream;
  readonly database: string;
  /** Told when it ends though nobody ended it. */
  readonly onDeath: (sentence: string) => void;
}

interface Listening {
  readonly url: string;
  readonly opsUrl: string;
}

function settingsOf(options: ApiOptions, links: Record<LinkName, FaultProxy>) {
  const { PATH = "", HOME = "" } = process.env;
  return {
    ...{ PATH, HOME, HOST: "127.0.0.1", PORT: "0", OPS_PORT: "0" },
    REDIS_URL: `redis://127.0.0.1:${links.redis.port}`,
    DATABASE_URL: `mysql://${options.database}@127.0.0.1:${links.mysql.port}/${options.database}`,
    ...{ JWT_SECRET: options.secret, CODE_SECRET: options.codeSecret, RATE_LIMITS: "off" },
  };
}

export class Api {
  #child: Subprocess | undefined;
  /** Whether it should be running: one that ends all the same has a bug. */
  #wanted = false;
  #listening: Listening | undefined;

  private constructor(
    readonly options: ApiOptions,
    readonly links: Record<LinkName, FaultProxy>,
    /** Where the clients' link leads: another port after each start. */
    readonly front: { host: string; port: number },
  ) {}

  /** Opens its links; the process is not started yet. */
  static async open(options: ApiOptions): Promise<Api> {
    const front = { host: "127.0.0.1", port: NOWHERE };
    const [redis, mysql, clients] = await Promise.all(
      [options.redis, options.mysql, front].map(startProxy),
    );
    return new Api(options, { redis, mysql, clients } as Record<LinkName, FaultProxy>, front);
  }

  get pid(): number | undefined {
    return this.#child?.exitCode === null && this.#child.signalCode === null
      ? this.#child.pid
      : undefined;
  }

  get opsUrl(): string {
    return this.#listening?.opsUrl ?? "";
  }

  /** Starts it unless it runs, and waits until it listens: it does so without any server. */
  async start(through: readonly string[] = []): Promise<void> {
    if (this.pid !== undefined) return;
    const log = openSync(this.options.logFile, "a", 0o600);
    const from = statSync(this.options.logFile).size;
    const child = Bun.spawn(
      [...through, process.execPath, "--no-orphans", "--no-env-file", "src/main.ts"],
      {
        ...{ cwd: this.options.service, env: settingsOf(this.options, this.links) },
        ...{ stdin: "ignore", stdout: log, stderr: log, detached: true },
      },
    );
    closeSync(log);
    this.#child = child;
    this.#wanted = true;
    void child.exited.then(() => this.#ended(child));
    const deadline = performance.now() + LISTEN_MS_MAX;
    while (this.pid !== undefined) {
      const written = readFileSync(this.options.logFile).subarray(from).toString();
      const line = written.split("\n").find((text) => text.includes('"msg":"listening"'));
      if (line) {
        this.#listening = JSON.parse(line) as Listening;
        this.front.port = Number(new URL(this.#listening.url).port);
        return;
      }
      if (performance.now() > deadline)
        throw new Error(`api ${this.options.index} does not listen`);
      await Bun.sleep(ASK_EVERY_MS);
    }
  }

  #ended(child: Subprocess): void {
    if (this.#child !== child) return;
    // Its port may soon be somebody else's.
    this.front.port = NOWHERE;
    if (!this.#wanted) return;
    this.#wanted = false;
    const how = child.signalCode ?? `code ${child.exitCode}`;
    this.options.onDeath(`api ${this.options.index} ended by itself with ${how}`);
  }

  /** Ends it at once, wherever it is. */
  async kill(): Promise<void> {
    this.#wanted = false;
    this.#child?.kill("SIGKILL");
    await this.#child?.exited;
  }

  /** Asks it to end and waits; gives a sentence when it did not end as it should. */
  async stop(): Promise<string | undefined> {
    this.#wanted = false;
    const child = this.#child;
    if (!child || this.pid === undefined) return undefined;
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
    const code = await child.exited;
    clearTimeout(late);
    return code === 0
      ? undefined
      : `api ${this.options.index} was asked to end and ended with ${code}`;
  }

  freeze(): void {
    this.#child?.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child?.kill("SIGCONT");
  }

  async close(): Promise<void> {
    await this.kill();
    await Promise.all(Object.values(this.links).map((link) => link.close()));
  }
}

// Changes made behind the service's back, as by the mysql client: one process of all reads MySQL's binlog in a thread
// of its own and tells the others through Redis. Which one is decided by a lock on MySQL; the others try for it all
// the time. The lock goes with its connection, which MySQL ends when it has heard nothing for
// `captureSilenceSeconds`, so also a process that is stopped or cut off makes room. Two readers at once would do no
// harm: everything is merely told twice.

import { sql } from "drizzle-orm";
import { type DatabaseConnection, openConnection } from "../db/client.ts";
import { reasonOf } from "../db/errors.ts";
import { lockName } from "../db/locks.ts";
import { limits } from "../limits.ts";
import type { Log } from "../log.ts";
import type { CaptureSettings, FromCapture, ReaderStatus, ToCapture } from "./capture-protocol.ts";

/** "standby": another process reads. */
export type CaptureStatus = Omit<ReaderStatus, "state"> & {
  readonly state: ReaderStatus["state"] | "standby" | "starting";
};

export interface Capture {
  start(): void;
  status(): CaptureStatus;
  /** Bounded in time. */
  stop(): Promise<void>;
}

const IDLE = { reason: "", lagMs: 0, rows: 0, changes: 0 } as const;

class ChangeCapture implements Capture {
  #status: CaptureStatus = { state: "starting", ...IDLE };
  #worker: Worker | undefined;
  #workerEnded: (() => void) | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;
  #wake = () => {};

  constructor(
    private readonly settings: CaptureSettings,
    private readonly log: Log,
  ) {}

  start(): void {
    this.#running = this.#run();
  }

  status(): CaptureStatus {
    return this.#status;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      let connection: DatabaseConnection | undefined;
      try {
        connection = await openConnection(this.settings.databaseUrl);
        await this.#stand(connection);
      } catch (error) {
        this.#turn({ state: "away", ...IDLE, reason: reasonOf(error) });
      }
      await this.#endWorker();
      connection?.destroy();
      if (!this.#stopped) await this.#pause(limits.captureElectMs);
    }
  }

  /** Tries for the lock, and reads while it has it. Throws when the connection is lost. */
  async #stand({ db }: DatabaseConnection): Promise<void> {
    const name = lockName("capture");
    await db.execute(
      sql`SET SESSION wait_timeout = ${sql.raw(String(limits.captureSilenceSeconds))}`,
    );
    while (!this.#stopped) {
      const [rows] = await db.execute(
        sql`SELECT IF(IS_USED_LOCK(${name}) = CONNECTION_ID(), 1, GET_LOCK(${name}, 0)) AS mine`,
      );
      if (Number((rows as unknown as { mine: unknown }[])[0]?.mine) === 1) this.#startWorker();
      else this.#turn({ state: "standby", ...IDLE });
      await this.#pause(limits.captureElectMs);
    }
  }

  #startWorker(): void {
    if (this.#worker) return;
    const worker = new Worker(new URL("./capture-thread.ts", import.meta.url));
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<FromCapture>) => {
      if (data.type === "status") this.#turn(data.status);
      else this.#workerEnded?.();
    };
    worker.onerror = ({ message }) => this.log.error({ reason: message }, "the capture failed");
    worker.addEventListener("close", () => {
      this.#workerEnded?.();
      // The next turn of the election starts another one.
      if (this.#worker === worker) this.#worker = undefined;
    });
    worker.postMessage({ type: "start", settings: this.settings } satisfies ToCapture);
  }

  async #endWorker(): Promise<void> {
    const worker = this.#worker;
    if (!worker) return;
    this.#worker = undefined;
    const ended = Promise.withResolvers<void>();
    this.#workerEnded = ended.resolve;
    const tooLong = setTimeout(ended.resolve, limits.captureStopMs);
    worker.postMessage({ type: "stop" } satisfies ToCapture);
    await ended.promise;
    clearTimeout(tooLong);
    this.#workerEnded = undefined;
    worker.terminate();
  }

  #turn(status: CaptureStatus): void {
    const { state, reason } = status;
    const isNew = state !== this.#status.state;
    this.#status = status;
    if (!isNew) return;
    if (state === "unreadable") {
      this.log.warn({ reason }, "changes made directly in MySQL show only when caches expire");
    } else this.log.info({ state, reason }, "capture of changes made directly in MySQL");
  }

  #pause(milliseconds: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, milliseconds);
    this.#wake = resolve;
    if (this.#stopped) resolve();
    return promise.finally(() => clearTimeout(timer));
  }
}

export const createCapture = (settings: CaptureSettings, log: Log): Capture =>
  new ChangeCapture(settings, log);

// Entry of the thread that reads the binlog. A thread of its own, because the ledger's writing alone fills the binlog
// with hundreds of transactions a second, which take more time to pass over than the API has to give.

import { randomUUID } from "node:crypto";
import { openConnection } from "../db/client.ts";
import { reasonOf } from "../db/errors.ts";
import { limits } from "../limits.ts";
import { createLog } from "../log.ts";
import { connectRedis } from "../redis/client.ts";
import type { CaptureSettings, FromCapture, ReaderState, ToCapture } from "./capture-protocol.ts";
import { BinlogReader, Unreadable } from "./reader.ts";

declare const self: Worker;

const post = (message: FromCapture): void => self.postMessage(message);
const stopping = new AbortController();

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    const ended = () => {
      clearTimeout(timer);
      stopping.signal.removeEventListener("abort", ended);
      resolve();
    };
    const timer = setTimeout(ended, milliseconds);
    stopping.signal.addEventListener("abort", ended);
    if (stopping.signal.aborted) ended();
  });
}

class CaptureThread {
  #state: ReaderState = "away";
  #reason = "starting";
  readonly #read = { rows: 0, changes: 0, lagMs: 0 };
  readonly #from = randomUUID();

  constructor(private readonly settings: CaptureSettings) {}

  async run(): Promise<void> {
    const { redisUrl, logLevel } = this.settings;
    const log = createLog(logLevel, { thread: "capture" });
    const redis = connectRedis(redisUrl, "worker", log);
    const report = setInterval(() => this.#report(), limits.captureReportMs);
    let delayMs: number = limits.captureRetryMsMin;
    while (!stopping.signal.aborted) {
      try {
        await this.#readOnce(redis);
      } catch (error) {
        if (this.#state === "reading") delayMs = limits.captureRetryMsMin;
        const isUnreadable = error instanceof Unreadable;
        this.#turn(isUnreadable ? "unreadable" : "away", reasonOf(error));
        await pause(isUnreadable ? limits.captureUnreadableRetryMs : delayMs);
        delayMs = Math.min(delayMs * 2, limits.captureRetryMsMax);
      }
    }
    clearInterval(report);
    redis.disconnect();
  }

  async #readOnce(redis: ReturnType<typeof connectRedis>): Promise<void> {
    const { databaseUrl } = this.settings;
    const connection = await openConnection(databaseUrl);
    const reader = new BinlogReader({
      databaseUrl,
      redis,
      connection,
      from: this.#from,
      progress: this.#read,
    });
    try {
      await reader.read(stopping.signal, () => this.#turn("reading", ""));
    } finally {
      connection.destroy();
    }
  }

  #turn(state: ReaderState, reason: string): void {
    this.#state = state;
    this.#reason = reason;
    this.#report();
  }

  #report(): void {
    post({ type: "status", status: { state: this.#state, reason: this.#reason, ...this.#read } });
  }
}

self.onmessage = ({ data }: MessageEvent<ToCapture>) => {
  if (data.type === "stop") {
    stopping.abort();
    return;
  }
  void new CaptureThread(data.settings).run().finally(() => post({ type: "stopped" }));
};

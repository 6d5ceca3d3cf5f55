import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { until } from "../../test/harness/until.ts";
import { createLog } from "../log.ts";
import { allShards } from "../redis/keys.ts";
import { startLedgerThread } from "./handle.ts";
import type { FromWorker, LedgerSettings, LedgerStatus, ToWorker } from "./protocol.ts";

/** Stands for the thread: keeps what it is sent, says what the test wants, dies when told to. */
class FakeWorker extends EventTarget {
  static readonly all: FakeWorker[] = [];
  onmessage: ((event: MessageEvent<FromWorker>) => void) | undefined;
  onerror: ((event: ErrorEvent) => void) | undefined;
  readonly sent: ToWorker[] = [];
  terminated = false;
  #dead = false;

  constructor() {
    super();
    FakeWorker.all.push(this);
  }
  postMessage(message: ToWorker): void {
    // What becomes of it is not said anywhere.
    if (this.#dead) throw new Error("a message to a thread that is gone");
    this.sent.push(message);
  }
  terminate(): void {
    this.terminated = true;
    this.#dead = true;
    this.dispatchEvent(new Event("close"));
  }
  say(message: FromWorker): void {
    this.onmessage?.(new MessageEvent("message", { data: message }));
  }
  die(): void {
    this.#dead = true;
    this.dispatchEvent(new Event("close"));
  }
  opens(): number[] {
    return this.sent.flatMap((message) => (message.type === "open" ? [message.shard] : []));
  }
}

const RealWorker = globalThis.Worker;
beforeEach(() => {
  FakeWorker.all.length = 0;
  globalThis.Worker = FakeWorker as unknown as typeof Worker;
});
afterEach(() => {
  globalThis.Worker = RealWorker;
});

const settings: LedgerSettings = {
  ...{ redisUrl: "redis://r", databaseUrl: "mysql://m", durability: "durable", ledgerKeepMs: 0 },
  ...{ logLevel: "silent", processId: "p", codeSecrets: ["s"] },
};
const status: LedgerStatus = {
  mysql: "ok",
  redis: "ok",
  livingProcesses: 1,
  backlogGrants: 0,
  auditBlind: false,
  shards: [],
  audit: undefined,
  history: undefined,
};

function start() {
  const heard: string[] = [];
  const handle = startLedgerThread(settings, createLog("silent"), {
    opened: (shard, epoch, incarnation) => heard.push(`open ${shard} ${epoch} ${incarnation}`),
    closed: (shard, epoch) => heard.push(`closed ${shard} ${epoch}`),
  });
  const latest = (): FakeWorker => {
    const worker = FakeWorker.all.at(-1);
    if (!worker) throw new Error("no thread");
    return worker;
  };
  const untilStarts = (count: number) =>
    until(`start ${count}`, () => FakeWorker.all.length === count);
  return { handle, heard, latest, untilStarts };
}

describe("a thread that starts", () => {
  test("gets the settings first, then is asked to open every gate", () => {
    const { latest } = start();
    expect(latest().sent[0]).toEqual({ type: "start", settings });
    expect(latest().opens()).toEqual([...allShards]);
  });

  test("reports what it opens, and how it is doing", () => {
    const { handle, heard, latest } = start();
    expect(handle.status()).toBeUndefined();
    latest().say({ type: "gate", shard: 3, epoch: 7, incarnation: "x" });
    latest().say({ type: "status", status });
    expect(heard).toEqual(["open 3 7 x"]);
    expect(handle.status()).toEqual(status);
  });
});

describe("a thread that drains", () => {
  test("hears that its main thread lives until it has drained", async () => {
    const { handle, latest } = start();
    const { sent } = latest();
    const drained = handle.drain();
    const drain = sent.findIndex(({ type }) => type === "drain");
    await until("a pulse", () => sent.slice(drain).some(({ type }) => type === "alive"));
    latest().say({ type: "drained" });
    await drained;
    expect(latest().terminated).toBe(true);
  });
});

describe("a thread that dies", () => {
  test("starts again, and is asked for the gates that were not open", async () => {
    const { handle, latest, untilStarts } = start();
    for (const shard of allShards)
      if (shard !== 5) latest().say({ type: "gate", shard, epoch: 1, incarnation: "x" });
    handle.open(9, "a fence");
    latest().say({ type: "status", status });
    latest().die();
    expect(handle.status()).toBeUndefined();
    await untilStarts(2);
    expect(
      latest()
        .opens()
        .toSorted((a, b) => a - b),
    ).toEqual([5, 9]);
    expect(handle.restarts()).toBe(1);
  });

  test("again and again is given more time before each start", async () => {
    const { latest, untilStarts } = start();
    const pauses: number[] = [];
    for (let starts = 2; starts <= 4; starts += 1) {
      const diedAt = performance.now();
      latest().die();
      await untilStarts(starts);
      pauses.push(performance.now() - diedAt);
    }
    const [first = 0, second = 0, third = 0] = pauses;
    expect(second).toBeGreaterThan(first);
    expect(third).toBeGreaterThan(second);
  });

  test("knows again what this process confirmed before", async () => {
    const { handle, latest, untilStarts } = start();
    const grant = { saleId: 3, grantNo: 1, userId: 7, userSlot: 1, keyHash: null };
    handle.confirmed.add({ ...grant, grantedAt: new Date(0) });
    latest().die();
    await untilStarts(2);
    latest().say({ type: "witness", request: 4, shard: 3, epoch: 8 });
    expect(latest().sent.at(-1)).toMatchObject({ type: "witnessed", request: 4, grants: [grant] });
  });

  test("is not asked for anything while it is dead, and asking does not fail", async () => {
    const { handle, latest } = start();
    const dead = latest();
    dead.die();
    handle.open(9, "a fence");
    handle.missing(25, 1);
    expect(await handle.metrics()).toBe("");
    expect(FakeWorker.all).toHaveLength(1);
    await handle.drain();
  });
});

test("before a witness is heard, the gates of older epochs are closed", () => {
  const { heard, latest } = start();
  latest().say({ type: "witness", request: 1, shard: 3, epoch: 8 });
  expect(heard).toEqual(["closed 3 7"]);
});

describe("metrics", () => {
  test("come from the thread", async () => {
    const { handle, latest } = start();
    const asking = handle.metrics();
    const question = latest().sent.at(-1);
    if (question?.type !== "metrics") throw new Error("not asked");
    latest().say({ type: "metrics", request: question.request, text: "figures" });
    expect(await asking).toBe("figures");
  });

  test("are empty when the thread does not answer", async () => {
    expect(await start().handle.metrics()).toBe("");
  });
});

describe("draining", () => {
  test("waits for the thread to say that it has, then ends it, and it does not start again", async () => {
    const { handle, latest } = start();
    const draining = handle.drain();
    expect(latest().sent.at(-1)).toEqual({ type: "drain" });
    expect(latest().terminated).toBe(false);
    latest().say({ type: "drained" });
    await draining;
    expect(latest().terminated).toBe(true);
    expect(handle.restarts()).toBe(0);
  });

  test("ends when the thread dies over it", async () => {
    const { handle, latest } = start();
    const draining = handle.drain();
    latest().die();
    await draining;
    expect(handle.restarts()).toBe(0);
  });

  test("does not wait for a thread that is dead already, and keeps it so", async () => {
    const { handle, latest } = start();
    latest().die();
    const startedAt = performance.now();
    await handle.drain();
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    expect(FakeWorker.all).toHaveLength(1);
  });
});

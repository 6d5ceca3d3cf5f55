// What it costs to tell thousands of clients of a sale that something has moved: CPU and memory of one update, and how
// long it takes from the grab until the last of them has it.

import { connect, type Socket } from "node:net";
import { limits } from "../src/limits.ts";
import { residentBytes } from "../test/harness/memory.ts";
import { readCpu } from "./cpu.ts";
import { customer } from "./requests.ts";
import { couponName, makeCoupon } from "./stock.ts";
import { type Bench, openSystem, type System } from "./system.ts";

const STOCK = 1_000_000;
const CONNECT_AT_ONCE = 250;
const WARM_UP_UPDATES = 10;
const UPDATES = 30;
/** So long nothing moves, and what the process spends meanwhile is taken off. */
const IDLE_MS = 3_000;
const LOOK_EVERY_MS = 2;
const PATIENCE_MS = 30_000;

export interface EventsFigure {
  readonly clients: number;
  /** Resident memory that a connected client takes, kilobytes. */
  readonly kilobytesPerClient: number;
  /** By how much the resident memory has grown at the end of all updates, megabytes. */
  readonly growthMegabytes: number;
  readonly updates: number;
  /** CPU of the service's process for one update of all clients, milliseconds; and for one client, microseconds. */
  readonly updateMs: number;
  readonly clientMicros: number;
  /** CPU of the process while nothing moves, milliseconds per second; the same before anybody was connected. */
  readonly idleMs: number;
  readonly emptyMs: number;
  /** From the answer of a grab until the last client has it, milliseconds. */
  readonly toldMs: { readonly median: number; readonly worst: number };
}

/** Clients of one sale. */
class Crowd {
  /** How many events each has had. */
  readonly #events: number[] = [];
  readonly #sockets: Socket[] = [];
  /** How many clients have had so many events. */
  readonly #reached: number[] = [];

  async join(url: string, path: string, count: number): Promise<void> {
    for (let first = 0; first < count; first += CONNECT_AT_ONCE) {
      const some = Math.min(CONNECT_AT_ONCE, count - first);
      await Promise.all(Array.from({ length: some }, () => this.#connect(url, path)));
    }
  }

  /** How many events all have had. */
  get told(): number {
    const incomplete = this.#reached.findIndex((clients) => clients < this.#sockets.length);
    return incomplete < 0 ? this.#reached.length : incomplete;
  }

  leave(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #connect(url: string, path: string): Promise<void> {
    const { hostname, port } = new URL(url);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const socket = connect(Number(port), hostname, () => {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: bench\r\n\r\n`);
    });
    const client = this.#sockets.push(socket) - 1;
    this.#events[client] = 0;
    socket.on("error", reject);
    socket.on("data", (data: Buffer) => {
      for (let at = data.indexOf("event: sale"); at >= 0; at = data.indexOf("event: sale", at + 1))
        this.#count(client);
      if (this.#events[client]) resolve();
    });
    return promise;
  }

  #count(client: number): void {
    const place = this.#events[client] ?? 0;
    this.#events[client] = place + 1;
    this.#reached[place] = (this.#reached[place] ?? 0) + 1;
  }
}

/** CPU of the API's threads without the ledger's, microseconds. */
const apiMicros = (system: System): number => readCpu(system.pids()).api;

async function grabOne(system: System, saleId: number, arrival: number): Promise<void> {
  const token = system.bench.mint.token(customer(arrival));
  const response = await fetch(`${system.url()}/v1/sales/${saleId}/grab`, {
    ...{ method: "POST", headers: { Authorization: `Bearer ${token}` } },
  });
  await response.arrayBuffer();
  if (response.status !== 201) throw new Error(`a grab was answered ${response.status}`);
}

/** CPU while nobody does anything, milliseconds per second. */
async function idle(system: System): Promise<number> {
  const [from, since] = [apiMicros(system), performance.now()];
  await Bun.sleep(IDLE_MS);
  return (apiMicros(system) - from) / (performance.now() - since);
}

/** Grabs once and waits until everybody has one event more; gives how long that took after the answer. */
async function update(
  system: System,
  crowd: Crowd,
  saleId: number,
  arrival: number,
): Promise<number> {
  const before = crowd.told;
  await grabOne(system, saleId, arrival);
  const since = performance.now();
  while (crowd.told === before) {
    system.bench.stop.throwIfAborted();
    if (performance.now() - since > PATIENCE_MS) throw new Error("not everybody was told");
    await Bun.sleep(LOOK_EVERY_MS);
  }
  return performance.now() - since;
}

async function measureOn(system: System): Promise<EventsFigure> {
  const name = couponName(1);
  const saleId = await makeCoupon(system, { name, amount: STOCK });
  const { api } = system.pids();
  const clients = limits.eventClientsMax;
  const crowd = new Crowd();
  system.bench.opened.add(() => crowd.leave());
  const emptyMs = await idle(system);
  const empty = residentBytes(api);
  await crowd.join(system.url(), `/v1/sales/${saleId}/events`, clients);
  const full = residentBytes(api);
  let arrival = 0;
  while (arrival < WARM_UP_UPDATES) await update(system, crowd, saleId, arrival++);

  // The rate of the warm-up sinks for some seconds, and that is told as well.
  await Bun.sleep(limits.saleRateSeconds * 1_000);
  const idleMs = await idle(system);

  const [from, since, told] = [apiMicros(system), performance.now(), crowd.told];
  const times: number[] = [];
  while (times.length < UPDATES) times.push(await update(system, crowd, saleId, arrival++));
  const updates = crowd.told - told;
  const spentMs = (apiMicros(system) - from) / 1_000;
  const updateMs = (spentMs - (idleMs / 1_000) * (performance.now() - since)) / updates;
  times.sort((a, b) => a - b);
  return {
    ...{ clients, updates, updateMs, idleMs, emptyMs, clientMicros: (updateMs / clients) * 1_000 },
    kilobytesPerClient: (full - empty) / clients / 1_024,
    growthMegabytes: (residentBytes(api) - full) / 1_024 / 1_024,
    toldMs: { median: times[times.length >> 1] ?? 0, worst: times.at(-1) ?? 0 },
  };
}

/** On a system of its own. */
export async function measureEvents(bench: Bench): Promise<EventsFigure> {
  const system = await openSystem(bench);
  try {
    await system.start("off");
    return await measureOn(system);
  } finally {
    await system.close();
  }
}

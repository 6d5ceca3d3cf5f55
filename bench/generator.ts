// The load generator: autocannon in a process of its own, so that its CPU, which is as much as a whole
// answer of the service costs, is not mistaken for the service's.
//
// The requests are made beforehand and lie ready in a file, all of one length; `setupClient` gives each
// connection the next one. This costs half of what autocannon's own `setupRequest` costs (measured: 14
// instead of 29 us a request), and nothing is signed or encoded while it is measured.
//
// Each connection is ended by autocannon's own bound on responses, set when the time is over: so no request
// is left without an answer, and what the clients were promised can be compared with what is stored.

import { readFileSync } from "node:fs";
import autocannon, { type Client } from "autocannon";
import type { FromGenerator, Latency, LoadOrder, LoadResult, Statuses } from "./protocol.ts";

const WON = 201;
const STATUS_MAX = 600;

const order = JSON.parse(process.argv[2] ?? "{}") as LoadOrder;
const { requestBytes, count, rounds } = order;
const requests = readFileSync(order.file);
if (requests.length < count * requestBytes) throw new Error(`${order.file} is too short`);

const tell = (message: FromGenerator): void => {
  process.send?.(message);
};

const clients: Client[] = [];
const statuses = new Uint16Array(count * rounds + order.connections);
const milliseconds = new Float32Array(statuses.length);
let sent = 0;
let answers = 0;
let errors = 0;
let beginAt = 0;
let begin = 0;
let end = 0;
let seconds = 0;
let exhausted = false;
let lastWonAt = 0;
let cpuAtBegin = process.cpuUsage();
let cpuMicros = 0;

function nextRequest(): Buffer {
  if (sent === count * rounds - order.connections) {
    exhausted = true;
    endWindow();
  }
  const at = (sent++ % count) * requestBytes;
  return requests.subarray(at, at + requestBytes);
}

function beginWindow(): void {
  if (exhausted) return;
  begin = answers;
  beginAt = performance.now();
  cpuAtBegin = process.cpuUsage();
  tell({ type: "begun" });
  setTimeout(endWindow, order.seconds * 1_000);
}

function endWindow(): void {
  if (end > 0 || clients.length === 0) return;
  end = answers;
  seconds = (performance.now() - beginAt) / 1_000;
  const { user, system } = process.cpuUsage(cpuAtBegin);
  cpuMicros = user + system;
  tell({ type: "ended" });
  for (const client of clients) client.responseMax = Math.max(1, client.reqsMade);
}

function countStatuses(from: number, to: number): Statuses {
  const counts = new Uint32Array(STATUS_MAX);
  for (let at = from; at < to; at++)
    counts[statuses[at] as number] = (counts[statuses[at] as number] ?? 0) + 1;
  const found: Statuses = {};
  for (const [status, times] of counts.entries()) if (times > 0) found[status] = times;
  return found;
}

function latencyOf(status: number): Latency {
  const of: number[] = [];
  for (let at = begin; at < end; at++) {
    if (statuses[at] === status) of.push(milliseconds[at] as number);
  }
  const sorted = Float32Array.from(of).sort();
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { count: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), p999Ms: at(0.999) };
}

function resultOf(): LoadResult {
  const answered = countStatuses(begin, end);
  return {
    ...{ seconds, answered, errors, lastWonAt, exhausted },
    latency: Object.fromEntries(
      Object.keys(answered).map((status) => [status, latencyOf(Number(status))]),
    ),
    answeredWithTail: countStatuses(begin, answers),
    answeredInAll: countStatuses(0, answers),
    generatorMicros: cpuMicros / Math.max(1, end - begin),
  };
}

/** Everything has its answer, or none is coming: autocannon itself would notice up to a second later. */
function finish(): void {
  tell({ type: "result", result: resultOf() });
  process.disconnect?.();
  process.exit(0);
}

const run = autocannon(
  {
    url: order.url,
    connections: order.connections,
    // The window is timed here; this is only more than it can last.
    duration: (order.rampSeconds + order.seconds) * 2 + 60,
    setupClient: (client) => {
      clients.push(client);
      client.getRequestBuffer = nextRequest;
    },
  },
  finish,
);
run.on("response", (_client: Client, status: number, _bytes: number, duration: number) => {
  statuses[answers] = status;
  milliseconds[answers++] = duration;
  if (status === WON) lastWonAt = Date.now();
  if (end > 0 && answers + errors === sent) finish();
});
run.on("reqError", () => {
  errors++;
});
setTimeout(beginWindow, order.rampSeconds * 1_000);

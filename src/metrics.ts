// The main thread's figures. The hot path only adds to plain numbers; prom-client sees them when it is asked.

import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { GrabOutcome } from "./grab/outcome.ts";

export interface Metrics {
  readonly registry: Registry;
  request(method: string, pattern: string, status: number): void;
  grab(outcome: GrabOutcome): void;
  call(attempts: number, waitMs: number, callMs: number): void;
}

/** Live values that are read when the metrics are asked for. */
export interface Gauges {
  grabsWaiting(): number;
  gatesOpen(): number;
  eventClients(): number;
  poolWaiting(): number;
  poolBusy(): number;
  ledgerRestarts(): number;
  salesNotWarm(): number;
}

/** What is told of script calls. */
function callHistograms(registers: Registry[]) {
  const attempts = new Histogram({
    name: "doorbuster_grab_call_attempts",
    help: "Attempts that travelled in one script call.",
    ...{ buckets: [1, 2, 4, 8, 16, 32, 64, 128], registers },
  });
  const waits = new Histogram({
    name: "doorbuster_grab_queue_wait_seconds",
    help: "How long the first attempt of a call waited.",
    ...{ buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5], registers },
  });
  const calls = new Histogram({
    ...{ name: "doorbuster_grab_call_seconds", help: "Duration of one script call." },
    ...{ buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1], registers },
  });
  return { attempts, waits, calls };
}

export function createMetrics(gauges: Gauges): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const requests = new Map<string, number>();
  const grabs = new Map<string, number>();
  const add = (counts: Map<string, number>, key: string) =>
    counts.set(key, (counts.get(key) ?? 0) + 1);

  new Counter({
    ...{ name: "doorbuster_requests_total", help: "Requests by method, route pattern and status." },
    ...{ labelNames: ["method", "route", "status"], registers },
    collect() {
      this.reset();
      for (const [key, count] of requests) {
        const [method = "", route = "", status = ""] = key.split(" ");
        this.inc({ method, route, status }, count);
      }
    },
  });
  new Counter({
    ...{
      name: "doorbuster_grabs_total",
      help: "Grabs by outcome.",
      labelNames: ["outcome"],
      registers,
    },
    collect() {
      this.reset();
      for (const [outcome, count] of grabs) this.inc({ outcome }, count);
    },
  });
  const { attempts, waits, calls } = callHistograms(registers);
  const live = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value());
      },
    });
  live("doorbuster_grabs_waiting", "Attempts that wait for a script call.", gauges.grabsWaiting);
  live("doorbuster_gates_open", "Shards whose gate is open on this process.", gauges.gatesOpen);
  live("doorbuster_event_clients", "Clients that watch a sale.", gauges.eventClients);
  live("doorbuster_mysql_pool_waiting", "Queries that wait for a connection.", gauges.poolWaiting);
  live("doorbuster_mysql_pool_busy", "Connections in use.", gauges.poolBusy);
  live(
    "doorbuster_ledger_thread_restarts",
    "Restarts of the ledger thread.",
    gauges.ledgerRestarts,
  );
  live(
    "doorbuster_sales_not_warm",
    "Sales that are about to open, or should be open, and are not in Redis.",
    gauges.salesNotWarm,
  );
  live("doorbuster_memory_bytes", "Resident memory of the process.", () =>
    process.memoryUsage.rss(),
  );
  live("doorbuster_cpu_seconds", "CPU time of the process.", () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });

  return {
    registry,
    request: (method, pattern, status) => add(requests, `${method} ${pattern} ${status}`),
    grab: (outcome) => add(grabs, outcome.kind === "unavailable" ? outcome.reason : outcome.kind),
    call(count, waitMs, callMs) {
      attempts.observe(count);
      waits.observe(waitMs / 1_000);
      calls.observe(callMs / 1_000);
    },
  };
}

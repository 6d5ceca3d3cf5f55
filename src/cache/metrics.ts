// The caches' figures. The hot path only adds to plain numbers; prom-client sees them when it is asked.

import { Counter, Gauge, type Registry } from "prom-client";
import type { Capture } from "./capture.ts";
import { KINDS } from "./changes.ts";
import type { Levels } from "./levels.ts";

const STATES = ["reading", "standby", "starting", "away", "unreadable"] as const;

export function registerCacheMetrics(registry: Registry, levels: Levels, capture: Capture): void {
  const registers = [registry];
  new Counter({
    ...{ name: "doorbuster_cache_requests_total", registers },
    help: "What the levels of the caches were asked, by what they had.",
    labelNames: ["cache", "level", "result"],
    collect() {
      this.reset();
      for (const cache of KINDS) {
        for (const [level, results] of Object.entries(levels.counts.of(cache))) {
          for (const [result, count] of Object.entries(results as Record<string, number>)) {
            if (count > 0) this.inc({ cache, level, result }, count);
          }
        }
      }
    },
  });
  const size = (name: string, help: string, of: "entries" | "bytes") =>
    new Gauge({
      ...{ name, help, registers, labelNames: ["cache"] },
      collect() {
        for (const [cache, sizes] of levels.sizes()) this.set({ cache }, sizes[of]);
      },
    });
  size("doorbuster_cache_entries", "Entries in memory.", "entries");
  size("doorbuster_cache_bytes", "Estimated bytes of the entries in memory.", "bytes");
  new Gauge({
    ...{ name: "doorbuster_capture_lag_seconds", registers },
    help: "How long the latest change had been in MySQL's binlog before it was read here.",
    collect() {
      this.set(capture.status().lagMs / 1_000);
    },
  });
  new Gauge({
    ...{ name: "doorbuster_capture_state", registers, labelNames: ["state"] },
    help: "1 for what this process does about MySQL's binlog.",
    collect() {
      const { state } = capture.status();
      for (const one of STATES) this.set({ state: one }, one === state ? 1 : 0);
    },
  });
  new Counter({
    ...{ name: "doorbuster_capture_rows_total", registers, labelNames: ["concern"] },
    help: "Rows read in MySQL's binlog, by whether they concerned a cache.",
    collect() {
      this.reset();
      const { rows, changes } = capture.status();
      this.inc({ concern: "some" }, changes);
      this.inc({ concern: "none" }, rows - changes);
    },
  });
}

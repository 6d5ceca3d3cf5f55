import type { Config } from "../config.ts";
import type { Tracing } from "./start.ts";

/** Traces if the settings name a collector; otherwise nothing of tracing is even loaded. */
export async function tracingOf({ traces }: Pick<Config, "traces">): Promise<Tracing | undefined> {
  if (traces === undefined) return undefined;
  const { startTracing } = await import("./start.ts");
  return startTracing(traces.endpoint, traces.serviceName);
}

// The operations port: details and metrics, on the loopback interface only.

import type { LedgerHandle } from "../ledger/handle.ts";
import type { Metrics } from "../metrics.ts";
import type { Health } from "./health.ts";

export interface OpsDeps {
  readonly port: number;
  readonly health: Health;
  readonly metrics: Metrics;
  ledger(): LedgerHandle | undefined;
}

/** Serves `/livez`, `/readyz` and `/metrics`. Throws when the port is taken. */
export function startOps({ port, health, metrics, ledger }: OpsDeps) {
  const safe = { "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" };
  const readyz = (): Response => {
    const details = health.details();
    const status = details.status === "ok" || details.status === "degraded" ? 200 : 503;
    return Response.json(details, { status, headers: safe });
  };
  return Bun.serve({
    hostname: "127.0.0.1",
    port,
    development: false,
    // One process each: figures that came now from this one and now from that one would be nobody's.
    reusePort: false,
    routes: {
      "/livez": () =>
        Response.json(
          { status: "ok", uptimeSeconds: Math.round(process.uptime()) },
          { headers: safe },
        ),
      "/readyz": readyz,
      "/metrics": async () => {
        const own = await metrics.registry.metrics();
        const ofLedger = (await ledger()?.metrics()) ?? "";
        return new Response(`${own}\n${ofLedger}`, {
          headers: { ...safe, "Content-Type": metrics.registry.contentType },
        });
      },
    },
    fetch: () => new Response("404 page not found", { status: 404, headers: safe }),
    error: () => new Response("500", { status: 500, headers: safe }),
  });
}

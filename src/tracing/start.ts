// Traces for OpenTelemetry, only where a collector is named: this folder is imported when OTEL_EXPORTER_OTLP_ENDPOINT
// is set, and then wraps what the service is made of from outside. Without it nothing here is loaded or called.

import { context, propagation, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { limits } from "../limits.ts";
import type { Redis } from "../redis/client.ts";
import { traceMysql, traceRedis } from "./clients.ts";
import { type Fetch, type RequestCounts, traceRequests } from "./requests.ts";

export interface Tracing {
  /** One span per request, under the caller's if it sent a `traceparent`. */
  requests(fetch: Fetch): Fetch;
  /** Names the span of a request by its route, once that is known. */
  counts<Counts extends RequestCounts>(counts: Counts): Counts;
  /** One span per command. */
  redis(client: Redis): void;
  /** Sends what is left, for at most `tracesStopMs`. */
  stop(): Promise<void>;
}

/** `endpoint` is the collector's base URL. What cannot be sent is dropped; the service goes on. */
export function startTracing(endpoint: string, serviceName: string): Tracing {
  const exporter = new OTLPTraceExporter({
    url: `${endpoint.replace(/\/$/, "")}/v1/traces`,
    timeoutMillis: limits.tracesSendMs,
  });
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ "service.name": serviceName }),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter,
        maxQueueSize: limits.tracesSpansWaitingMax,
        maxExportBatchSize: limits.tracesSpansPerBatch,
        scheduledDelayMillis: limits.tracesDelayMs,
        exportTimeoutMillis: limits.tracesSendMs,
      }),
    ],
  });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(provider);
  const tracer = trace.getTracer("doorbuster");
  const requests = traceRequests(tracer);
  traceMysql(tracer);
  return {
    ...requests,
    redis: (client) => traceRedis(tracer, client),
    async stop() {
      const late = new Promise<void>((resolve) => setTimeout(resolve, limits.tracesStopMs).unref());
      await Promise.race([provider.shutdown().catch(() => undefined), late]);
    },
  };
}

// A span for each HTTP request. The route is known to whoever counts the request, which happens inside it.

import {
  context,
  propagation,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import type { Server } from "bun";

export type Fetch = (request: Request, server?: Server<unknown>) => Response | Promise<Response>;

export interface RequestCounts {
  request(method: string, pattern: string, status: number): void;
}

const getter = {
  keys: (headers: Headers): string[] => [...headers.keys()],
  get: (headers: Headers, name: string): string | undefined => headers.get(name) ?? undefined,
};

export function traceRequests(tracer: Tracer) {
  return {
    requests:
      (fetch: Fetch): Fetch =>
      async (request, server) => {
        const { method, headers } = request;
        const parent = propagation.extract(context.active(), headers, getter);
        const span = tracer.startSpan(
          method,
          { kind: SpanKind.SERVER, attributes: { "http.request.method": method } },
          parent,
        );
        try {
          const response = await context.with(trace.setSpan(parent, span), () =>
            fetch(request, server),
          );
          span.setAttribute("http.response.status_code", response.status);
          if (response.status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
          return response;
        } finally {
          span.end();
        }
      },

    counts<Counts extends RequestCounts>(counts: Counts): Counts {
      return {
        ...counts,
        request(method: string, pattern: string, status: number) {
          trace
            .getActiveSpan()
            ?.updateName(`${method} ${pattern}`)
            .setAttribute("http.route", pattern);
          counts.request(method, pattern, status);
        },
      };
    },
  };
}

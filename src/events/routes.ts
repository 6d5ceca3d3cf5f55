// GET /v1/sales/:id/events: what moves of a sale, as server-sent events, for everybody.

import { createRoute, z } from "@hono/zod-openapi";
import { limits } from "../limits.ts";
import { Problem } from "../problem.ts";
import type { Edge } from "../v1/edge.ts";
import { idParam, idSchema, refusalsOf, timeSchema } from "../v1/schemas.ts";
import type { SaleEvent } from "./message.ts";
import type { SaleEvents } from "./service.ts";

const eventSchema = z
  .object({
    saleId: idSchema,
    state: z.enum(["upcoming", "open", "paused", "sold_out", "ended"]),
    ...{ total: z.int(), left: z.int(), granted: z.int(), returned: z.int() },
    rate: z.number().openapi({
      description: `Grants per second over the last ${limits.saleRateSeconds} seconds.`,
    }),
    asOf: timeSchema.openapi({ description: "When the numbers were read." }),
    ...{ opensAt: timeSchema.nullable(), closesAt: timeSchema.nullable() },
  })
  .openapi("SaleEvent", {
    description: "The data of an event `sale`.",
  }) satisfies z.ZodType<SaleEvent>;

const EXAMPLE = `retry: 2741

event: sale
id: 1798833600000
data: {"saleId":42,"state":"open","total":1000,"left":958,"granted":42,"returned":0,"rate":21.5,"asOf":"2027-01-01T20:00:00.000Z","opensAt":null,"closesAt":null}

:
`;

const eventsRoute = createRoute({
  ...{ method: "get", path: "/v1/sales/{id}/events", tags: ["sales"], security: [] },
  summary: "Watch a sale, as server-sent events",
  description:
    "An event `sale` comes at once, and then whenever something has moved, a few times a second at most. Each has " +
    "the whole state (`SaleEvent` as JSON), so one that was missed does not matter, and whoever comes back, with " +
    "`Last-Event-ID` or without, begins with the state as it is then. An event `unavailable` says that the numbers " +
    "cannot be read for the moment; a `sale` follows as soon as they can. Comments come while nothing moves, at " +
    "least every 5 seconds: a client that hears nothing for longer should connect again. The stream ends when the " +
    "service restarts, when the sale is deleted, and for a client that does not read; `retry` says when to come back.",
  request: { params: z.object({ id: idParam }) },
  responses: {
    200: {
      description: "The stream. It does not end by itself.",
      content: { "text/event-stream": { schema: z.string().openapi({ example: EXAMPLE }) } },
    },
    ...refusalsOf("not-found", "unavailable"),
  },
});

const HEADERS = {
  "Content-Type": "text/event-stream",
  "Cache-Control": "no-store",
  "X-Content-Type-Options": "nosniff",
  // Proxies of the nginx kind would hold events back until their buffer is full.
  "X-Accel-Buffering": "no",
};

export interface EventRouteDeps {
  readonly edge: Edge;
  readonly events: Pick<SaleEvents, "watch">;
  readonly grabSales: { get(saleId: number): Promise<object | undefined> };
}

export function eventRoutes({ edge, events, grabSales }: EventRouteDeps) {
  const router = edge.router();
  router.openAPIRegistry.register("SaleEvent", eventSchema);
  return router.openapi(eventsRoute, async (c) => {
    const { id } = c.req.valid("param");
    if ((await grabSales.get(id)) === undefined) throw new Problem("not-found");
    const { method, signal } = c.req.raw;
    // Nobody would read the stream of a HEAD.
    if (method === "HEAD") return c.body("", 200, HEADERS);
    const client = events.watch(id);
    if (!client) {
      const headers = { "Retry-After": String(limits.eventFullRetrySeconds) };
      throw new Problem("unavailable", { detail: "Too many watch sales here already.", headers });
    }
    signal.addEventListener("abort", () => client.leave());
    if (signal.aborted) client.leave();
    return c.body(client.stream, 200, HEADERS);
  });
}

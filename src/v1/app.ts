// The /v1 API: its features side by side, and what becomes of what they throw.

import { matchedRoutes } from "hono/route";
import { type AuthDeps, authRoutes } from "../auth/routes.ts";
import { type CouponRouteDeps, couponRoutes } from "../coupons/routes.ts";
import { discountRoutes } from "../discounts/routes.ts";
import { type EventRouteDeps, eventRoutes } from "../events/routes.ts";
import { grabRoutes } from "../grab/routes.ts";
import type { Log } from "../log.ts";
import { methodsIn } from "../methods.ts";
import { problemResponse } from "../problem.ts";
import { saleRoutes } from "../sales/routes.ts";
import { templateRoutes } from "../templates/routes.ts";
import { addDocs } from "./docs.ts";
import type { Edge } from "./edge.ts";
import { v1Failures } from "./failures.ts";

export type V1Deps = AuthDeps &
  CouponRouteDeps &
  EventRouteDeps &
  Parameters<typeof saleRoutes>[0] &
  Parameters<typeof templateRoutes>[0] &
  Parameters<typeof discountRoutes>[0] &
  Parameters<typeof grabRoutes>[0] & {
    readonly edge: Edge;
    readonly log: Log;
    readonly metrics: { request(method: string, pattern: string, status: number): void };
  };

/** The routes of all features; the type is what hono/client needs. */
function routesOf(deps: V1Deps) {
  return deps.edge
    .router()
    .route("/", authRoutes(deps))
    .route("/", templateRoutes(deps))
    .route("/", saleRoutes(deps))
    .route("/", grabRoutes(deps))
    .route("/", eventRoutes(deps))
    .route("/", couponRoutes(deps))
    .route("/", discountRoutes(deps));
}

/** Also the type for `hc<V1>(url)` of hono/client. */
export type V1 = ReturnType<typeof routesOf>;

export function createV1(deps: V1Deps): V1 {
  const { log, metrics } = deps;
  const app = deps.edge.router();
  app.use(async (c, next) => {
    await next();
    const { headers } = c.res;
    headers.set("X-Content-Type-Options", "nosniff");
    // What is told to somebody is theirs; what is for all has no actor.
    if (c.get("actor")) headers.set("Cache-Control", "no-store");
    // What every request passes stands at "/*"; the last route is the one that answered.
    const pattern = matchedRoutes(c).at(-1)?.path ?? "/*";
    metrics.request(c.req.method, pattern === "/*" ? "unmatched" : pattern, c.res.status);
  });
  const routes = app.route("/", routesOf(deps));
  addDocs(app, deps.edge);
  const named = app.routes.filter(({ method }) => method !== "ALL");
  const methodsOf = methodsIn(named.map(({ method, path }) => ({ method, pattern: path })));
  app.notFound((c) => {
    const methods = methodsOf(c.req.path);
    if (methods.length === 0) return problemResponse("not-found");
    return problemResponse("method-not-allowed", { headers: { Allow: methods.join(", ") } });
  });

  const failed = v1Failures(log);
  app.onError((error, c) => failed(error, c.req.method, matchedRoutes(c).at(-1)?.path ?? "/*"));
  return routes;
}

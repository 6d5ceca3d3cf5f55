// The HTTP API: what is mounted where, and what every request passes on its way in and out. There is no
// middleware: with exactly one handler Hono calls it directly, and the grab is worth that.

import type { Server } from "bun";
import { Hono } from "hono";
import { createAdmission } from "./admission.ts";
import type { Revocations } from "./auth/revocations.ts";
import type { Throttle } from "./auth/throttle.ts";
import type { Tokens } from "./auth/token.ts";
import { busy, plain, refuse } from "./classic/answers.ts";
import type { Wallet } from "./classic/own-lists.ts";
import { classicRoutes, type Edge, type Route } from "./classic/routes.ts";
import type { Sales } from "./classic/sales.ts";
import type { Config } from "./config.ts";
import { failureReport } from "./failure.ts";
import { isBareGrab, type V1Grab } from "./grab/handler.ts";
import type { Grabs } from "./grab/service.ts";
import type { Log } from "./log.ts";
import { methodsIn } from "./methods.ts";
import { problemResponse } from "./problem.ts";
import type { Users } from "./users/service.ts";
import type { V1 } from "./v1/app.ts";
import { v1Failures } from "./v1/failures.ts";

export interface AppDeps {
  config: Pick<Config, "classicGrabStatus" | "trustProxy">;
  log: Log;
  tokens: Tokens;
  revocations: Pick<Revocations, "revoke" | "loaded">;
  users: Users;
  sales: Pick<Sales, "peek" | "find" | "create" | "sellerPage">;
  wallet: Wallet;
  grabs: Grabs;
  throttle: Throttle;
  health: { ready(): "ok" | "degraded" | "starting" | "stopping" };
  metrics: { request(method: string, pattern: string, status: number): void };
  v1: Pick<V1, "fetch">;
  v1Grab: V1Grab;
}

type AppRouter = Hono<{ Bindings: Server<unknown> | undefined }>;

export interface App {
  /** `server` tells the address of the peer; without it all peers count as one. */
  fetch(request: Request, server?: Server<unknown>): Response | Promise<Response>;
}

/** The path as it was sent: its parts are decoded once, when they are read. */
function pathOf(request: Request): string {
  const { url } = request;
  const start = url.indexOf("/", "http://".length);
  const end = url.indexOf("?", start);
  return end < 0 ? url.slice(start) : url.slice(start, end);
}

const OF_V1 = /^\/(?:v1|docs|problems)(?:\/|$)|^\/openapi\.json$/;
const V1_GRAB = /^\/v1\/sales\/[^/]+\/grab$/;

/** True for what goes the long way through /v1: all of it but a grab that says nothing else. */
function isBehind(request: Request): boolean {
  const path = pathOf(request);
  const isGrab = request.method === "POST" && V1_GRAB.test(path) && isBareGrab(request);
  return OF_V1.test(path) && !isGrab;
}

const WITH_BODY = new Set(["POST", "PUT", "PATCH", "DELETE"]);
const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/** Answers whatever no route takes: another method, a slash too many, or no such path. */
function unmatched(routes: readonly Pick<Route, "method" | "pattern">[]) {
  const methodsOf = methodsIn(routes);

  return (request: Request): Response => {
    const path = pathOf(request);
    const allowed = methodsOf(path);
    if (allowed.length > 0)
      return refuse(405, "Method not allowed.", { Allow: allowed.join(", ") });
    const shorter = path.slice(0, -1);
    const { method, url } = request;
    const wanted = method === "HEAD" ? "GET" : method;
    if (path.endsWith("/") && methodsOf(shorter).some((one) => one === wanted)) {
      const query = url.indexOf("?");
      const Location = query < 0 ? shorter : shorter + url.slice(query);
      return plain(wanted === "GET" ? 301 : 307, "", { Location });
    }
    return plain(404, "404 page not found");
  };
}

/** How an API turns away what it has no room for, and what it answers when a handler threw. */
interface Refusals {
  readonly busy: () => Response;
  readonly failed: (error: unknown, method: string, pattern: string) => Response;
}

/** Nothing of an error is told but an id; the log has the rest under the same id. */
function classicRefusals(log: Log): Refusals {
  const report = failureReport(log);
  return {
    busy,
    failed(error, method, pattern) {
      const { requestId, isAway } = report(error, method, pattern);
      const own = { "X-Request-Id": requestId };
      if (isAway) return refuse(503, "The service is unavailable. Try again in a moment.", own);
      return refuse(500, `Something went wrong. Please report it with the id ${requestId}.`, own);
    },
  };
}

const v1Refusals = (log: Log): Refusals => ({
  busy: () => problemResponse("unavailable"),
  failed: v1Failures(log),
});

/** Health is answered however busy the service is: a restart would not make it less so. */
function mountHealth(hono: AppRouter, health: AppDeps["health"]) {
  const livez = { method: "GET", pattern: "/livez" } as const;
  const readyz = { method: "GET", pattern: "/readyz" } as const;
  hono.get(livez.pattern, () => plain(200, "ok"));
  hono.get(readyz.pattern, () => {
    const state = health.ready();
    return plain(state === "ok" || state === "degraded" ? 200 : 503, state);
  });
  return [livez, readyz];
}

export function createApp(deps: AppDeps): App {
  const { config, log, health, metrics, revocations, v1, v1Grab } = deps;
  const hono: AppRouter = new Hono({ getPath: pathOf });
  // Before the revoked tokens are known, one that was logged out would be let in.
  const admission = createAdmission(() => revocations.loaded());
  const [classic, ofV1] = [classicRefusals(log), v1Refusals(log)];

  /** Every request of a route: bounded, answered whatever happens, counted. */
  const guarded = ({ method, pattern, bodiless, handle }: Route, refusals: Refusals) => {
    const bodies = method === "POST" && !bodiless ? 1 : 0;
    return async (c: Edge): Promise<Response> => {
      if (!admission.enter(bodies)) {
        metrics.request(method, pattern, 503);
        return refusals.busy();
      }
      let response: Response;
      try {
        response = await handle(c);
      } catch (error) {
        response = refusals.failed(error, method, pattern);
      }
      admission.leave(bodies);
      metrics.request(method, pattern, response.status);
      return response;
    };
  };

  const routes = classicRoutes({ ...deps, wonStatus: config.classicGrabStatus });
  for (const route of routes) hono.on(route.method, route.pattern, guarded(route, classic));

  // The rest of /v1 counts its requests and refuses by itself.
  const behind = async (request: Request, server?: Server<unknown>): Promise<Response> => {
    const { method } = request;
    const bodies = WITH_BODY.has(method) ? 1 : 0;
    if (!admission.enter(bodies)) {
      metrics.request(method, "/v1", 503);
      return ofV1.busy();
    }
    try {
      return await v1.fetch(request, { server });
    } catch (error) {
      return ofV1.failed(error, method, "/v1");
    } finally {
      admission.leave(bodies);
    }
  };

  const grab = guarded(
    {
      ...{ method: "POST", pattern: "/v1/sales/:id/grab", bodiless: true },
      handle: (c) => v1Grab(c.req.raw, c.req.param("id") ?? ""),
    },
    ofV1,
  );
  hono.post("/v1/sales/:id/grab", grab);
  const refuseUnmatched = unmatched([...routes, ...mountHealth(hono, health)]);
  hono.notFound((c) => {
    const response = refuseUnmatched(c.req.raw);
    const method = METHODS.has(c.req.method) ? c.req.method : "OTHER";
    metrics.request(method, "unmatched", response.status);
    return response;
  });
  hono.onError((error, c) => classic.failed(error, c.req.method, "unmatched"));

  return {
    fetch: (request, server) =>
      isBehind(request) ? behind(request, server) : hono.fetch(request, server),
  };
}

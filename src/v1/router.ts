// Routers of /v1: what a schema refuses becomes a problem, and a field or parameter that a route does not have is
// refused whether or not the route has any.

import { OpenAPIHono, type RouteConfig, type z } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import { Problem } from "../problem.ts";
import { withoutFields } from "./body.ts";
import type { V1Env } from "./env.ts";
import { takeNothing, wrongFields } from "./fields.ts";
import { RouterPerMethod } from "./router-per-method.ts";
import { refusalsOf, WITH_BODY } from "./schemas.ts";

type Route = RouteConfig & { middleware?: MiddlewareHandler | MiddlewareHandler[] };

/** Methods whose bodies are looked at. That of a GET means nothing, by RFC 9110, and is not read. */
const WITH_FIELDS = new Set(["post", "put", "patch", "delete"]);

/** For a route that takes no parameters but those of its path: most requests need no schema to show that. */
const withoutQuery: MiddlewareHandler = (c, next) => {
  if (c.req.url.includes("?")) takeNothing(c.req.query(), "query");
  return next();
};

/** A route that names no query takes none; a change that names no body takes one without fields. */
function strict(route: Route): Route {
  const { request = {}, responses, middleware = [] } = route;
  const bodiless = WITH_FIELDS.has(route.method) && request.body === undefined;
  return {
    ...route,
    responses: {
      ...(bodiless ? refusalsOf(...WITH_BODY) : refusalsOf("validation")),
      ...responses,
    },
    middleware: [
      middleware,
      bodiless ? withoutFields : [],
      request.query ? [] : withoutQuery,
    ].flat(),
  };
}

export function createRouter(): OpenAPIHono<V1Env> {
  const router = new OpenAPIHono<V1Env>({
    router: new RouterPerMethod(),
    defaultHook: (result) => {
      if (result.success) return;
      // A path that cannot name anything names nothing.
      if (result.target === "param") throw new Problem("not-found");
      throw wrongFields(result.error as z.ZodError, result.target);
    },
  });
  const { openapi } = router;
  const strictly = (route: Route, ...rest: [never]) => openapi(strict(route), ...rest);
  router.openapi = strictly as unknown as typeof openapi;
  return router;
}

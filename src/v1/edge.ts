// What every route of /v1 has in front of it, in this order: who asks, the body, the Idempotency-Key; then its own
// schemas. Routes take these from here, so that none is forgotten and none comes in another order.

import type { OpenAPIHono } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import type { ServiceKeys } from "../auth/keys.ts";
import type { Tokens } from "../auth/token.ts";
import { IDEMPOTENCY_KEY, keyFault } from "../idempotency/key.ts";
import { type Answers, KEPT_HEADERS, type KeptAnswer } from "../idempotency/service.ts";
import { Problem } from "../problem.ts";
import { actorOf, ROLES, type Role } from "./actor.ts";
import { withBody } from "./body.ts";
import type { V1Env } from "./env.ts";
import { createRouter } from "./router.ts";

type Handler = MiddlewareHandler<V1Env>;

export interface Edge {
  /** A router for one feature's routes. */
  router(): OpenAPIHono<V1Env>;
  /** For reading: these roles only, all signed-in ones if none is given. */
  for(...roles: Role[]): Handler[];
  /** For PATCH, PUT and DELETE: with a body, without an Idempotency-Key. */
  changing(...roles: Role[]): Handler[];
  /** For POST: with a body and an Idempotency-Key. */
  posting(...roles: Role[]): Handler[];
  /** For POST by whoever comes: a body, nothing else. */
  readonly open: Handler[];
  /** What of `posting` takes the Idempotency-Key: the document shows the header where this is. */
  readonly once: Handler;
  /** Whom a handler lets pass, which the document says; undefined for one that asks nobody. */
  rolesOf(handler: unknown): readonly Role[] | undefined;
}

/** What a repeat gets again of an answer, which stays to be sent. */
async function answerIn(response: Response): Promise<KeptAnswer> {
  const given = KEPT_HEADERS.filter((name) => response.headers.has(name));
  const headers = Object.fromEntries(given.map((name) => [name, response.headers.get(name) ?? ""]));
  return { status: response.status, headers, body: await response.clone().text() };
}

export function createEdge(deps: {
  tokens: Pick<Tokens, "verify">;
  keys: ServiceKeys;
  answers: Answers;
}): Edge {
  const rolesOf = new Map<unknown, readonly Role[]>();
  const only = (roles: readonly Role[]): Handler => {
    const handler: Handler = async (c, next) => {
      const actor = await actorOf(c.req.raw.headers.get("authorization"), deps);
      if (roles.length > 0 && !roles.includes(actor.role))
        throw new Problem("forbidden", { detail: `This is for: ${roles.join(", ")}.` });
      c.set("actor", actor);
      await next();
    };
    rolesOf.set(handler, roles.length > 0 ? roles : ROLES);
    return handler;
  };

  const once: Handler = async (c, next) => {
    const key = c.req.header("idempotency-key");
    c.set("requestKey", null);
    if (key === undefined) return next();
    if (!IDEMPOTENCY_KEY.test(key)) throw new Problem("validation", { errors: [keyFault] });
    const text = await c.req.text();
    // Without the host: a repeat may come by another address.
    const { pathname, search } = new URL(c.req.url);
    const asked = `${c.req.method} ${pathname}${search}\n${text}`;
    const turn = await deps.answers.begin(c.get("actor").name, key, asked);
    switch (turn.kind) {
      case "reused":
        throw new Problem("idempotency-key-reused");
      case "busy":
        throw new Problem("idempotency-in-progress", { headers: { "Retry-After": "1" } });
      case "replay": {
        const { status, body, headers } = turn.answer;
        return new Response(status === 204 ? null : body, {
          status,
          headers: {
            ...{ "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store" },
            ...{ ...headers, "Idempotent-Replayed": "true" },
          },
        });
      }
      case "first":
        break;
    }
    c.set("requestKey", turn.requestKey);
    await next();
    // What a server's absence has caused is no answer to keep: a repeat shall try again. Nor is it what a wrong field has
    // caused: nothing was done, and whoever mends the field may send the same key with it.
    if (c.res.status >= 500) await turn.release();
    else if (c.error instanceof Problem && c.error.code === "validation") await turn.forget();
    else await turn.keep(await answerIn(c.res));
  };

  return {
    router: createRouter,
    for: (...roles) => [only(roles)],
    changing: (...roles) => [only(roles), withBody],
    posting: (...roles) => [only(roles), withBody, once],
    open: [withBody],
    once,
    rolesOf: (handler) => rolesOf.get(handler),
  };
}

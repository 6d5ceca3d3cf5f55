// Accounts of /v1 over HTTP.

import type { Context } from "hono";
import type { Config } from "../config.ts";
import { limits } from "../limits.ts";
import { type FieldError, Problem } from "../problem.ts";
import type { Actor } from "../v1/actor.ts";
import type { Edge } from "../v1/edge.ts";
import type { V1Env } from "../v1/env.ts";
import { countedAddress } from "./address.ts";
import {
  loginRoute,
  logoutRoute,
  meRoute,
  passwordRoute,
  refreshRoute,
  registerRoute,
} from "./document.ts";
import type { Sessions } from "./refresh.ts";
import type { Revocations } from "./revocations.ts";
import { accountOf, signedInOf } from "./schema.ts";
import type { Accounts } from "./service.ts";
import type { Throttle } from "./throttle.ts";

export interface AuthDeps {
  readonly edge: Edge;
  readonly config: Pick<Config, "trustProxy">;
  readonly accounts: Accounts;
  readonly sessions: Pick<Sessions, "rotate" | "end">;
  readonly revocations: Pick<Revocations, "revoke">;
  readonly throttle: Throttle;
}

const USERS = ["customer", "seller", "admin"] as const;
/** For those who are not signed in yet. */
const PRIVATE = { "Cache-Control": "no-store" };

const BAD_NAME: FieldError = {
  pointer: "/username",
  detail: `Use 1 to ${limits.usernameCharsMax} visible characters, without spaces at the ends.`,
};
const WRONG_PASSWORD: FieldError = {
  pointer: "/currentPassword",
  detail: "This is not the password.",
};

/** A password that is only too weak has a code of its own. */
function unfit(wrong: FieldError | false, pointer: string, weakness: string | undefined): Problem {
  const weak = weakness === undefined ? [] : [{ pointer, detail: weakness }];
  if (wrong) return new Problem("validation", { errors: [wrong, ...weak] });
  return new Problem("weak-password", { errors: weak });
}

/** Services have no account. */
function userOf(actor: Actor): Extract<Actor, { kind: "user" }> {
  if (actor.kind !== "user") throw new Problem("forbidden");
  return actor;
}

/** Counts an attempt. Throws the 429. */
async function count(
  { config, throttle }: Pick<AuthDeps, "config" | "throttle">,
  c: Context<V1Env>,
  action: keyof Throttle,
  name: string,
): Promise<void> {
  const peer = c.env.server?.requestIP(c.req.raw)?.address;
  const forwarded = c.req.header("x-forwarded-for") ?? null;
  const address = countedAddress(peer, forwarded, config.trustProxy);
  const seconds = await throttle[action]({ name, address });
  if (seconds > 0)
    throw new Problem("rate-limited", { headers: { "Retry-After": String(seconds) } });
}

/** Registering, and what needs the password. */
const passwordRoutes = (deps: AuthDeps) => {
  const { edge, accounts } = deps;
  return edge
    .router()
    .openapi({ ...registerRoute, middleware: edge.open }, async (c) => {
      const input = c.req.valid("json");
      await count(deps, c, "register", input.username);
      const outcome = await accounts.register(input);
      switch (outcome.kind) {
        case "created":
          return c.json(accountOf(outcome.user), 201, PRIVATE);
        case "unfit":
          throw unfit(outcome.isWrong && BAD_NAME, "/password", outcome.weakness);
        case "taken":
          throw new Problem("username-taken");
        case "busy":
          throw new Problem("unavailable");
      }
    })
    .openapi({ ...loginRoute, middleware: edge.open }, async (c) => {
      const input = c.req.valid("json");
      await count(deps, c, "logIn", input.username);
      const outcome = await accounts.logIn(input);
      switch (outcome.kind) {
        case "ok":
          return c.json(signedInOf(outcome.user, outcome.pair), 200, PRIVATE);
        case "wrong":
          throw new Problem("invalid-credentials");
        case "busy":
          throw new Problem("unavailable");
      }
    })
    .openapi({ ...passwordRoute, middleware: edge.changing(...USERS) }, async (c) => {
      const { userId, username } = userOf(c.get("actor"));
      // Guesses at a password count with those of the log-in.
      await count(deps, c, "logIn", username);
      const outcome = await accounts.changePassword({ userId, ...c.req.valid("json") });
      switch (outcome.kind) {
        case "ok":
          return c.json(signedInOf(outcome.user, outcome.pair), 200);
        case "unfit":
          // No 401: the token is good, and with another one the password would be as wrong.
          throw unfit(outcome.isWrong && WRONG_PASSWORD, "/newPassword", outcome.weakness);
        case "busy":
          throw new Problem("unavailable");
      }
    });
};

/** What needs a token only. */
const sessionRoutes = (deps: AuthDeps) => {
  const { edge, sessions, revocations } = deps;
  return edge
    .router()
    .openapi({ ...refreshRoute, middleware: edge.open }, async (c) => {
      const outcome = await sessions.rotate(c.req.valid("json").refreshToken);
      switch (outcome.kind) {
        case "ok":
          return c.json(signedInOf(outcome.user, outcome.pair), 200, PRIVATE);
        case "reused":
          throw new Problem("refresh-reused");
        case "ended":
          throw new Problem("token-revoked");
        case "invalid":
          throw new Problem("invalid-token", {
            detail: "This is no refresh token, or its session has lasted 30 days. Log in again.",
          });
      }
    })
    .openapi({ ...logoutRoute, middleware: edge.for(...USERS) }, async (c) => {
      const actor = userOf(c.get("actor"));
      // The session first: if that fails the access token is still good for a second try.
      if (actor.sessionId !== undefined) await sessions.end(actor.sessionId);
      await revocations.revoke(actor.tokenId, actor.expiresAt);
      return c.body(null, 204);
    })
    .openapi({ ...meRoute, middleware: edge.for(...USERS) }, (c) => {
      const { userId: id, username, role } = userOf(c.get("actor"));
      return c.json({ id, username, role }, 200);
    });
};

export const authRoutes = (deps: AuthDeps) =>
  deps.edge.router().route("/", passwordRoutes(deps)).route("/", sessionRoutes(deps));

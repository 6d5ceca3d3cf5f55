// The account routes of /v1, as the OpenAPI document shows them.

import { createRoute } from "@hono/zod-openapi";
import { jsonAnswer, jsonBody, refusalsOf, SIGNED_IN, WITH_BODY } from "../v1/schemas.ts";
import {
  account,
  credentials,
  passwordChange,
  refreshing,
  registration,
  signedIn,
} from "./schema.ts";

const COUNTED = ["rate-limited", "unavailable"] as const;

export const registerRoute = createRoute({
  method: "post",
  path: "/v1/auth/register",
  tags: ["accounts"],
  summary: "Register",
  description: "The account is good for the classic API too. Names are compared without case.",
  security: [],
  request: jsonBody(registration),
  responses: {
    201: jsonAnswer(account, "The account is there; log in next."),
    ...refusalsOf(...WITH_BODY, "username-taken", "weak-password", ...COUNTED),
  },
});

export const loginRoute = createRoute({
  method: "post",
  path: "/v1/auth/login",
  tags: ["accounts"],
  summary: "Log in",
  description: "An access token lives 15 minutes, a session 30 days.",
  security: [],
  request: jsonBody(credentials),
  responses: {
    200: jsonAnswer(signedIn, "A new session."),
    ...refusalsOf(...WITH_BODY, "invalid-credentials", ...COUNTED),
  },
});

export const refreshRoute = createRoute({
  method: "post",
  path: "/v1/auth/refresh",
  tags: ["accounts"],
  summary: "Get the next pair of tokens",
  description:
    "Uses up the refresh token. If the answer is lost, repeat the request within 5 seconds: you get the same pair. " +
    "A used token that is shown later ends the session, because it may have been stolen.",
  security: [],
  request: jsonBody(refreshing),
  responses: {
    200: jsonAnswer(signedIn, "The next pair of the same session."),
    ...refusalsOf(...WITH_BODY, "invalid-token", "token-revoked", "refresh-reused", "unavailable"),
  },
});

export const logoutRoute = createRoute({
  method: "post",
  path: "/v1/auth/logout",
  tags: ["accounts"],
  summary: "Log out",
  description: "Ends the session of the access token: this token and all others of the session.",
  responses: {
    204: { description: "Logged out." },
    ...refusalsOf(...SIGNED_IN, "unavailable"),
  },
});

export const passwordRoute = createRoute({
  method: "post",
  path: "/v1/auth/password",
  tags: ["accounts"],
  summary: "Change the password",
  description:
    "Ends all sessions and all tokens of the account, also those of the classic API, and begins a new session. A wrong " +
    "`currentPassword` is a wrong field; it counts with the attempts to log in.",
  request: jsonBody(passwordChange),
  responses: {
    200: jsonAnswer(signedIn, "The password is changed; the first pair of a new session."),
    ...refusalsOf(...SIGNED_IN, ...WITH_BODY, "weak-password", ...COUNTED),
  },
});

export const meRoute = createRoute({
  method: "get",
  path: "/v1/me",
  tags: ["accounts"],
  summary: "Who am I?",
  responses: {
    200: jsonAnswer(account, "The account of the access token."),
    ...refusalsOf(...SIGNED_IN, "unavailable"),
  },
});

// The six routes of the classic API, as existing clients of the originals call them.

import type { Server } from "bun";
import type { Context } from "hono";
import { type AccountDeps, createAccounts } from "./accounts.ts";
import { type CouponDeps, createCoupons } from "./coupons.ts";
import { createGrab, type GrabDeps } from "./grab.ts";

/** What the handlers get from Hono; `env` is the server that a request came in by, absent in tests. */
export type Edge = Context<{ Bindings: Server<unknown> | undefined }>;

export interface Route {
  readonly method: "GET" | "POST" | "PATCH";
  readonly pattern: string;
  /** True for a POST that is answered without its body. */
  readonly bodiless?: boolean;
  readonly handle: (c: Edge) => Response | Promise<Response>;
}

/** A part of the path, decoded once. */
const part = (c: Edge, name: string): string => c.req.param(name) ?? "";

export function classicRoutes(deps: AccountDeps & CouponDeps & GrabDeps): Route[] {
  const accounts = createAccounts(deps);
  const coupons = createCoupons(deps);
  const grab = createGrab(deps);
  return [
    {
      method: "POST",
      pattern: "/api/users",
      handle: (c) => accounts.register(c.req.raw, c.env),
    },
    {
      method: "POST",
      pattern: "/api/auth",
      handle: (c) => accounts.logIn(c.req.raw, c.env),
    },
    {
      method: "POST",
      pattern: "/api/auth/logout",
      handle: (c) => accounts.logOut(c.req.raw),
    },
    {
      method: "POST",
      pattern: "/api/users/:username/coupons",
      handle: (c) => coupons.add(c.req.raw, part(c, "username")),
    },
    {
      method: "GET",
      pattern: "/api/users/:username/coupons",
      handle: (c) => coupons.list(c.req.raw, part(c, "username")),
    },
    {
      method: "PATCH",
      pattern: "/api/users/:username/coupons/:name",
      handle: (c) => grab(c.req.raw, part(c, "username"), part(c, "name")),
    },
  ];
}

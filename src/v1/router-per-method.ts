// A router for each method. Hono's fast router, RegExpRouter, takes no path with a name where another has a parameter,
// as POST /v1/coupons/lock has beside POST /v1/coupons/:code/lock; its SmartRouter then takes the slower one for
// everything. One for each method leaves the fast one to the rest, to GET above all.

import type { Router } from "hono/router";
import { METHOD_NAME_ALL } from "hono/router";
import { RegExpRouter } from "hono/router/reg-exp-router";
import { SmartRouter } from "hono/router/smart-router";
import { TrieRouter } from "hono/router/trie-router";

const routerOfOne = <T>(): Router<T> =>
  new SmartRouter<T>({ routers: [new RegExpRouter<T>(), new TrieRouter<T>()] });

export class RouterPerMethod<T> implements Router<T> {
  readonly name = "RouterPerMethod";
  readonly #ofMethod = new Map<string, Router<T>>();
  /** For methods that no route names; it has what is for all. */
  readonly #ofOthers = routerOfOne<T>();
  readonly #forAll: { path: string; handler: T }[] = [];

  add(method: string, path: string, handler: T): void {
    if (method !== METHOD_NAME_ALL) {
      this.#routerOf(method).add(method, path, handler);
      return;
    }
    this.#forAll.push({ path, handler });
    for (const router of [this.#ofOthers, ...this.#ofMethod.values()])
      router.add(method, path, handler);
  }

  match(method: string, path: string) {
    return (this.#ofMethod.get(method) ?? this.#ofOthers).match(method, path);
  }

  /** A method's router; a new one begins with what is for all so far. */
  #routerOf(method: string): Router<T> {
    const known = this.#ofMethod.get(method);
    if (known) return known;
    const router = routerOfOne<T>();
    for (const { path, handler } of this.#forAll) router.add(METHOD_NAME_ALL, path, handler);
    this.#ofMethod.set(method, router);
    return router;
  }
}

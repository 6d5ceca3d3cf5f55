import { expect, test } from "bun:test";
import { RouterPerMethod } from "./router-per-method.ts";

const matched = (router: RouterPerMethod<string>, method: string, path: string): string[] =>
  router.match(method, path)[0].map(([handler]) => handler);

function example(): RouterPerMethod<string> {
  const router = new RouterPerMethod<string>();
  router.add("ALL", "/*", "first");
  router.add("GET", "/coupons/:code", "show");
  router.add("POST", "/coupons/:code/lock", "lock one");
  router.add("ALL", "/coupons/*", "second");
  router.add("POST", "/coupons/lock", "lock some");
  return router;
}

test("a path with a name where another has a parameter is told from it", () => {
  expect(matched(example(), "POST", "/coupons/lock")).toEqual(["first", "second", "lock some"]);
  expect(matched(example(), "POST", "/coupons/AB/lock")).toEqual(["first", "lock one", "second"]);
});

test("what is for all methods is in its place for each, before and behind what is for one", () => {
  expect(matched(example(), "GET", "/coupons/AB")).toEqual(["first", "show", "second"]);
  expect(matched(example(), "PUT", "/coupons/AB")).toEqual(["first", "second"]);
});

test("a path of another method finds only what is for all", () => {
  expect(matched(example(), "GET", "/coupons/AB/lock")).toEqual(["first", "second"]);
  expect(matched(example(), "POST", "/elsewhere")).toEqual(["first"]);
});

test("the fast router serves every method that it can", () => {
  // Only that one gives the parts of the path beside the handlers.
  const isFast = (method: string, path: string) => example().match(method, path).length === 2;
  expect(isFast("GET", "/coupons/AB")).toBe(true);
  expect(isFast("PUT", "/coupons/AB")).toBe(true);
  expect(isFast("POST", "/coupons/lock")).toBe(false);
});

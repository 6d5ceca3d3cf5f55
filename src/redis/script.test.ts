import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { shardScripts } from "../grab/scripts.ts";
import { isFence, scriptOf } from "./script.ts";

const SOURCE = '#!lua\n-- does something\nreturn redis.call("PING")\n';

test("a script keeps its shebang in the first line, where Redis looks for it", () => {
  const [first, second] = scriptOf(SOURCE, "abc").text.split("\n");
  expect(first).toBe("#!lua");
  expect(second).toContain("abc");
});

test("flags stay in the first line", () => {
  const { text } = scriptOf(SOURCE.replace("#!lua", "#!lua flags=allow-oom"), "abc");
  expect(text.split("\n")[0]).toBe("#!lua flags=allow-oom");
  expect(text).toContain("abc");
});

test("the SHA is that of the text which is loaded", () => {
  const { sha, text } = scriptOf(SOURCE, "abc");
  expect(sha).toBe(createHash("sha1").update(text).digest("hex"));
});

test("every incarnation has a SHA of its own, the same one the same SHA", () => {
  const shas = ["a", "b", "a"].map((incarnation) => scriptOf(SOURCE, incarnation).sha);
  expect(shas[0]).not.toBe(shas[1]);
  expect(shas[0]).toBe(shas[2]);
});

test.each([
  ["a path", "/srv/doorbuster/src/grab/grab.lua"],
  ["nothing", ""],
  ["a script without a shebang", 'return redis.call("PING")'],
  ["a script that asks Redis nothing", "#!lua\nreturn 1"],
  ["a shebang that Redis does not know", "#!lua --flags\nredis.call()"],
])("%s is refused", (_, source) => {
  expect(() => scriptOf(source, "abc")).toThrow("must be imported as text");
});

test("each script of a shard is a different one, and each changes with the incarnation", () => {
  const shas = ["a", "b"].flatMap((incarnation) =>
    Object.values(shardScripts(incarnation)).map(({ sha }) => sha),
  );
  expect(new Set(shas).size).toBe(shas.length);
});

test.each([
  ["NOSCRIPT No matching script.", true],
  ["READONLY You can't write against a read only replica.", true],
  ["ERR something about NOSCRIPT", false],
  ["NOSCRIPTS", false],
])("the error %p is a fence: %p", (message, fence) => {
  expect(isFence(new Error(message))).toBe(fence);
});

test("what is no error is no fence", () => {
  expect([isFence("NOSCRIPT"), isFence(undefined)]).toEqual([false, false]);
});

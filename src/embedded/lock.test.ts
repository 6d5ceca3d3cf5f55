import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { layoutOf } from "./layout.ts";
import { takeFolder } from "./lock.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lock-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("a second taker is told who has the folder and where it answers", () => {
  const layout = layoutOf(folder);
  const lock = takeFolder(layout);
  expect(() => takeFolder(layout)).toThrow(`process ${process.pid}`);
  expect(() => takeFolder(layout)).toThrow("still starting");
  lock.publish({ url: "http://127.0.0.1:4711", opsUrl: "http://127.0.0.1:4712" });
  expect(() => takeFolder(layout)).toThrow("http://127.0.0.1:4711");
  lock.release();
});

test("a folder that was given back can be taken again", () => {
  const layout = layoutOf(folder);
  takeFolder(layout).release();
  takeFolder(layout).release();
});

test("what a killed process wrote about itself keeps nobody out", async () => {
  const layout = layoutOf(folder);
  await Bun.write(layout.owner, JSON.stringify({ pid: 1, since: "2026-01-01T00:00:00.000Z" }));
  takeFolder(layout).release();
});

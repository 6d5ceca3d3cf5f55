import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { limits } from "../limits.ts";
import { layoutOf, makeSocketFolder, prepareDataFolder, socketFolder } from "./layout.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "layout-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const modeOf = (path: string): number => statSync(path).mode & 0o777;

describe("the data folder", () => {
  test("is for its owner only, also when it was open before", () => {
    const data = join(folder, "data");
    mkdirSync(data, { mode: 0o755 });
    prepareDataFolder(layoutOf(data));
    expect(modeOf(data)).toBe(0o700);
  });

  test("may hold what an earlier start left", () => {
    const layout = layoutOf(folder);
    for (const file of [layout.lock, layout.secrets, layout.redisLog]) writeFileSync(file, "");
    for (const part of [layout.redis, layout.mysql]) mkdirSync(part);
    expect(() => prepareDataFolder(layout)).not.toThrow();
  });

  test("is left alone when it holds somebody else's things", () => {
    const data = join(folder, "home");
    mkdirSync(join(data, "photos"), { recursive: true, mode: 0o755 });
    const before = modeOf(data);
    expect(() => prepareDataFolder(layoutOf(data))).toThrow("photos");
    expect(modeOf(data)).toBe(before);
  });
});

describe("the folder for sockets", () => {
  test("is in the data folder when the path is short enough", () => {
    expect(socketFolder(layoutOf("/srv/shop"))).toBe("/srv/shop/run");
  });

  test("moves to the temporary folder when the path is too long, always to the same place", () => {
    const long = layoutOf(`/srv/${"deep/".repeat(30)}`);
    const found = socketFolder(long, "/tmp");
    expect(found).toStartWith("/tmp/doorbuster-");
    expect(socketFolder(long, "/tmp")).toBe(found);
    expect(socketFolder(layoutOf(`${long.folder}/2`), "/tmp")).not.toBe(found);
  });

  test("has names that fit into a socket's address", () => {
    for (let length = 1; length < 200; length += 1) {
      const found = socketFolder(layoutOf(`/${"x".repeat(length)}`), "/tmp");
      expect(join(found, "mysql.sock").length).toBeLessThanOrEqual(limits.socketPathBytesMax);
    }
  });

  test("is refused when somebody put a link in its place", () => {
    const link = join(folder, "link");
    symlinkSync("/etc", link);
    expect(() => makeSocketFolder(link)).toThrow();
  });
});

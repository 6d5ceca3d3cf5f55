import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readConfig } from "../config.ts";
import { loadSecrets } from "./secrets.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "secrets-"));
  path = join(folder, "secrets.json");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("secrets are drawn once and stay the same", () => {
  const first = loadSecrets(path);
  expect(loadSecrets(path)).toEqual(first);
  expect(first.JWT_SECRET).not.toBe(first.CODE_SECRET);
});

test("only the owner may read the file", () => {
  loadSecrets(path);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("the service accepts them", () => {
  const urls = { REDIS_URL: "unix:///redis.sock", DATABASE_URL: "mysql://root@localhost/x" };
  expect(readConfig({ ...loadSecrets(path), ...urls }, {}).ok).toBe(true);
});

test("a damaged file is reported, not replaced: tokens that are out depend on it", () => {
  writeFileSync(path, "{");
  expect(() => loadSecrets(path)).toThrow("damaged");
});

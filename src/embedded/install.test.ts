import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { adviceFor, withoutServiceStarts } from "./install.ts";

let folder: string;
let policy: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "install-"));
  policy = join(folder, "policy-rc.d");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const ask = () => Bun.spawnSync([policy, "redis-server", "start"]).exitCode;

describe("the policy on service starts", () => {
  test("forbids starts while the work goes on, and is gone afterwards", async () => {
    let answer: number | undefined;
    await withoutServiceStarts(policy, async () => {
      answer = ask();
    });
    expect(answer).toBe(101);
    expect(existsSync(policy)).toBe(false);
  });

  test("an existing one is back as it was, also when the work fails", async () => {
    writeFileSync(policy, "#!/bin/sh\nexit 104\n", { mode: 0o750 });
    const failing = withoutServiceStarts(policy, () => Promise.reject(new Error("no network")));
    await expect(failing).rejects.toThrow("no network");
    expect(readFileSync(policy, "utf8")).toContain("exit 104");
    expect(statSync(policy).mode & 0o777).toBe(0o750);
  });

  test("one that a killed process left forbids nothing and asks the one it replaced", async () => {
    writeFileSync(policy, "#!/bin/sh\nexit 104\n", { mode: 0o755 });
    let left = "";
    await withoutServiceStarts(policy, async () => {
      left = readFileSync(policy, "utf8");
    });
    const dead = Bun.spawnSync(["true"]).pid;
    writeFileSync(`${policy}.before-doorbuster`, readFileSync(policy), { mode: 0o755 });
    writeFileSync(policy, left.replace(`kill -0 ${process.pid}`, `kill -0 ${dead}`));
    expect(ask()).toBe(104);
    await withoutServiceStarts(policy, () => Promise.resolve());
    expect(readFileSync(policy, "utf8")).toBe("#!/bin/sh\nexit 104\n");
  });
});

describe("the advice when servers are missing", () => {
  test("has the exact command for this machine and the two other ways", () => {
    const advice = adviceFor(["redis", "mysql"], (name) => name === "apt-get");
    expect(advice).toContain(
      "sudo apt-get install --no-install-recommends redis-server mariadb-server-core mariadb-client-core",
    );
    expect(advice).toContain("REDIS_URL");
    expect(advice).toContain("docker compose up");
  });

  test("names only what is missing", () => {
    const advice = adviceFor(["redis"], (name) => name === "brew");
    expect(advice).toContain("brew install redis\n");
    expect(advice).not.toContain("mariadb");
  });
});

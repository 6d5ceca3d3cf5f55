import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../../test/harness/until.ts";
import { limits } from "../limits.ts";
import { ServerProcess } from "./process.ts";

let folder: string;
let server: ServerProcess;
const said: string[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "process-"));
  said.length = 0;
});
afterEach(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

function make(shell: string, { keepUp = true, ready = true } = {}): ServerProcess {
  server = new ServerProcess(
    {
      name: "sham",
      command: ["sh", "-c", shell],
      socket: join(folder, "none.sock"),
      logFile: join(folder, "sham.log"),
      isReady: () => Promise.resolve(ready),
    },
    { keepUp, onSay: (text) => said.push(text) },
  );
  return server;
}

describe("a server process", () => {
  test("that dies is started again, and says so", async () => {
    const sham = make("exec sleep 60");
    await sham.start();
    const first = sham.pid;
    await sham.kill("SIGKILL");
    const second = await until("another process", () => sham.pid !== first && sham.pid);
    await until("the good news", () => said.length === 2);
    expect(said).toEqual([
      `sham (process ${first}) ended by SIGKILL; starting it again in ${limits.serverRestartDelayMsMin} ms`,
      `sham is back, as process ${second}`,
    ]);
  });

  test("that keeps dying is started again after longer and longer pauses", async () => {
    const sham = make("exit 3");
    await sham.start();
    await until("three deaths", () => said.filter((text) => text.includes("ended")).length >= 3);
    const pauses = said.flatMap((text) => / in (\d+) ms/.exec(text)?.[1] ?? []).map(Number);
    expect(pauses.slice(0, 3)).toEqual([100, 200, 400]);
  });

  test("that should not be kept up stays dead", async () => {
    const sham = make("exec sleep 60", { keepUp: false });
    await sham.start();
    await sham.kill("SIGKILL");
    expect(sham.pid).toBeUndefined();
    expect(said).toEqual([]);
  });

  test("that ends before it is ready fails the start, with the end of its log", async () => {
    const sham = make("echo the disk is full; exit 1", { ready: false });
    await expect(sham.start()).rejects.toThrow("the disk is full");
  });

  test("that is stopped while it gets ready fails the start and leaves nothing", async () => {
    const sham = make("exec sleep 60", { ready: false });
    const starting = sham.start().catch(String);
    await until("the process", () => sham.pid);
    await sham.stop();
    expect(await starting).toContain("stopped before it was ready");
    expect(sham.pid).toBeUndefined();
  });

  test("has a log that does not grow for ever", async () => {
    const log = join(folder, "sham.log");
    writeFileSync(log, "x".repeat(limits.serverLogBytesMax + 1));
    const sham = make("echo started; exec sleep 60");
    await sham.start();
    await until("the log to begin anew", async () => (await Bun.file(log).text()) === "started\n");
  });
});

// `npm start` as a real process: what it starts, says, keeps and leaves behind.

import { afterAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { type Watched, watch } from "./harness/api.ts";
import { freshFolder, stopEverything } from "./harness/servers.ts";
import { until } from "./harness/until.ts";

afterAll(stopEverything);

const START_MS = 30_000;
const LAUNCHER = ["sh", "scripts/with-bun.sh", "--no-env-file", "src/embedded/start.ts"];
const FREE_PORTS = { PORT: "0", OPS_PORT: "0" };

interface Started extends Watched {
  readonly url: string;
}

/** Starts a launcher and waits until it has said everything. */
async function start(
  command: string[],
  settings: Record<string, string> = FREE_PORTS,
): Promise<Started> {
  const launcher = watch(command, settings);
  const url = await until(
    "the service to be open",
    () => {
      if (launcher.exitCode() !== undefined) throw new Error(launcher.output());
      return /Doorbuster is open: (\S+)[\s\S]*# Try it/.exec(launcher.output())?.[1];
    },
    { withinMs: START_MS },
  );
  return { ...launcher, url };
}

const inFolder = (dataDir: string, ...more: string[]) => [...LAUNCHER, "--data", dataDir, ...more];

/** Runs a launcher that is expected to give up; what it said, and its exit code. */
async function refuse(command: string[], settings: Record<string, string> = FREE_PORTS) {
  const launcher = watch(command, settings);
  const code = await until("the launcher to give up", () => {
    const exitCode = launcher.exitCode();
    return exitCode === undefined ? undefined : { exitCode };
  });
  await until("its last words", () => launcher.output().includes("\n"));
  return { code: code.exitCode, output: launcher.output() };
}

/** The ids of the processes whose command line names this folder, by program. */
function serversOf(dataDir: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const pid of readdirSync("/proc").map(Number).filter(Number.isInteger)) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "latin1");
      const program = /(redis|maria|mysql)[a-z-]*d?/.exec(command.split(/[\0 ]/)[0] ?? "")?.[0];
      if (program && command.includes(`${dataDir}/`)) found.set(program, pid);
    } catch {
      // It ended while we looked.
    }
  }
  return found;
}

const pidOf = (dataDir: string, name: "redis" | "database"): number | undefined =>
  [...serversOf(dataDir)].find(
    ([program]) => program.startsWith("redis") === (name === "redis"),
  )?.[1];

const nothingLeft = (dataDir: string) =>
  until("the servers to be gone", () => serversOf(dataDir).size === 0);

const passwordIn = (output: string): string =>
  /customer {2}demo-customer {2}(\S+)/.exec(output)?.[1] ?? "";

async function logIn(url: string, password: string): Promise<string> {
  const response = await fetch(`${url}/api/auth`, {
    method: "POST",
    body: JSON.stringify({ username: "demo-customer", password }),
  });
  expect(response.status).toBe(200);
  return response.headers.get("authorization") ?? "";
}

const as = (token: string, method = "GET"): RequestInit => ({
  method,
  headers: { Authorization: token },
});

const grab = (url: string, token: string): Promise<Response> =>
  fetch(`${url}/api/users/demo-seller/coupons/doorbuster`, as(token, "PATCH"));

describe("npm start", () => {
  test("begins with a demo, and a second start has the data and no passwords", async () => {
    const dataDir = freshFolder("launcher");
    const first = await start(inFolder(dataDir));
    const password = passwordIn(first.output());
    expect((await grab(first.url, await logIn(first.url, password))).status).toBe(201);
    expect(await first.end("SIGINT")).toBe(0);

    const second = await start(inFolder(dataDir));
    expect(second.output()).not.toContain(password);
    expect(second.output()).toContain("demo-customer");
    const token = await logIn(second.url, password);
    const list = await fetch(`${second.url}/api/users/demo-customer/coupons`, as(token));
    expect(await list.json()).toMatchObject({ data: [{ name: "doorbuster" }] });
    const again = await grab(second.url, token);
    expect([again.status, again.headers.get("grab-result")]).toEqual([204, "repeated"]);
    await second.end("SIGINT");
  });

  test.skipIf(!Bun.which("curl"))("prints commands that work when they are pasted", async () => {
    const launcher = await start(inFolder(freshFolder("launcher")));
    const script = launcher.output().slice(launcher.output().indexOf("# Try it"));
    const pasted = watch(["sh", "-c", script]);
    await until("the last answer", () => pasted.output().includes('"left":99'));
    expect(pasted.output()).toContain("201 Created");
    await launcher.end("SIGINT");
  });

  test("leaves the demo out when asked to", async () => {
    const launcher = await start(inFolder(freshFolder("launcher"), "--no-demo"));
    expect(launcher.output()).not.toContain("demo-");
    await launcher.end("SIGINT");
  });

  test("keeps its secrets and data from everybody else", async () => {
    const dataDir = freshFolder("launcher");
    const launcher = await start(inFolder(dataDir));
    const modes = Bun.spawnSync(["stat", "-c", "%a", dataDir, `${dataDir}/secrets.json`]);
    expect(modes.stdout.toString()).toBe("700\n600\n");
    await launcher.end("SIGINT");
  });
});

describe("stopping", () => {
  test("Ctrl-C stops the database before Redis, exits 0, and may come twice", async () => {
    const dataDir = freshFolder("launcher");
    const launcher = await start(inFolder(dataDir));
    process.kill(launcher.pid, "SIGINT");
    await until("the stop to begin", () => launcher.output().includes("Stopping"));
    process.kill(launcher.pid, "SIGINT");
    const seen = new Set<string>();
    await until("the end", () => {
      // Looked at in this order, so that one that ends in between is not mistaken.
      const redis = pidOf(dataDir, "redis") !== undefined;
      const database = pidOf(dataDir, "database") !== undefined;
      seen.add(`${redis ? "redis" : "-"} ${database ? "database" : "-"}`);
      return launcher.exitCode() !== undefined;
    });
    expect(launcher.exitCode()).toBe(0);
    expect(seen.has("- database")).toBe(false);
    expect(launcher.output()).toContain("Stopped.");
    expect(serversOf(dataDir).size).toBe(0);
  });

  test("a signal in the middle of the start leaves nothing", async () => {
    const dataDir = freshFolder("launcher");
    const launcher = watch(inFolder(dataDir), FREE_PORTS);
    await until("the first words", () => launcher.output().includes("Making"));
    expect(await launcher.end("SIGTERM")).toBe(0);
    expect(serversOf(dataDir).size).toBe(0);
    const next = await start(inFolder(dataDir));
    await next.end("SIGINT");
  });

  test("kill -9 of the launcher leaves no server, and the next start has the data", async () => {
    const dataDir = freshFolder("launcher");
    const first = await start(inFolder(dataDir));
    const password = passwordIn(first.output());
    expect((await grab(first.url, await logIn(first.url, password))).status).toBe(201);
    await first.end("SIGKILL");
    await nothingLeft(dataDir);
    const second = await start(inFolder(dataDir));
    const again = await grab(second.url, await logIn(second.url, password));
    expect(again.headers.get("grab-result")).toBe("repeated");
    await second.end("SIGINT");
  });

  test.each([
    ["npm", ["npm", "start", "--", "--data"]],
    ["a shell that waits for it", ["sh", "-c", `${LAUNCHER.join(" ")} --data "$0" & wait`]],
  ])("kill -9 of %s above it leaves no server and no service", async (_, command) => {
    const dataDir = freshFolder("launcher");
    const parent = await start([...command, dataDir]);
    expect(serversOf(dataDir).size).toBe(2);
    process.kill(parent.pid, "SIGKILL");
    await nothingLeft(dataDir);
    await until("the service to be gone", () =>
      fetch(parent.url).then(
        () => false,
        () => true,
      ),
    );
  });
});

describe("a server that dies", () => {
  test.each(["redis", "database"] as const)(
    "%s is started again, and the service goes on",
    async (name) => {
      const dataDir = freshFolder("launcher");
      const launcher = await start(inFolder(dataDir));
      const token = await logIn(launcher.url, passwordIn(launcher.output()));
      const killed = await until("the server", () => pidOf(dataDir, name));
      process.kill(killed, "SIGKILL");
      await until("the news", () =>
        launcher.output().includes(`(process ${killed}) ended by SIGKILL`),
      );
      await until("another process", () => (pidOf(dataDir, name) ?? killed) !== killed);
      await until("a grab that wins", async () => (await grab(launcher.url, token)).status < 300);
      expect(await launcher.end("SIGINT")).toBe(0);
    },
  );
});

describe("refusals", () => {
  test("a second copy in one folder says who has it", async () => {
    const dataDir = freshFolder("launcher");
    const launcher = await start(inFolder(dataDir));
    const { code, output } = await refuse(inFolder(dataDir));
    expect(code).toBe(1);
    expect(output).toContain(`process ${launcher.pid}`);
    expect(output).toContain(launcher.url);
    expect(output).toMatch(/since \d{4}-\d\d-\d\dT/);
    expect((await fetch(`${launcher.url}/readyz`)).status).toBe(200);
    await launcher.end("SIGINT");
  });

  test("a port that is taken is named, before any server is started", async () => {
    const dataDir = freshFolder("launcher");
    const taken = Bun.serve({ port: 0, fetch: () => new Response() });
    const { code, output } = await refuse(inFolder(dataDir), {
      ...FREE_PORTS,
      PORT: `${taken.port}`,
    });
    expect(code).toBe(1);
    expect(output).toContain(`Port ${taken.port} is taken`);
    expect(readdirSync(dataDir)).not.toContain("redis");
    await taken.stop();
  });

  test("every bad setting is listed at once", async () => {
    const { code, output } = await refuse(inFolder(freshFolder("launcher")), {
      PORT: "x",
      DURABILITY: "maybe",
      JWT_SECRET: "changeme",
    });
    expect(code).toBe(1);
    for (const name of ["PORT", "DURABILITY", "JWT_SECRET"]) expect(output).toContain(`  ${name} `);
  });

  test("without --no-orphans it would leave servers behind when killed, so it does not start", async () => {
    const { code, output } = await refuse([process.execPath, "src/embedded/start.ts"]);
    expect(code).toBe(1);
    expect(output).toContain("npm start");
  });
});

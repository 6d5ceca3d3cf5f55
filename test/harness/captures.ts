// Caches of rows in a real MySQL, with capture of what is changed there, as several processes have them; and the
// client by which somebody changes rows behind the service's back.

import { eq } from "drizzle-orm";
import { type Capture, createCapture } from "../../src/cache/capture.ts";
import { createLevels, type Lookup } from "../../src/cache/levels.ts";
import { openPool } from "../../src/db/client.ts";
import { createLog } from "../../src/log.ts";
import { connectRedis } from "../../src/redis/client.ts";
import { sales } from "../../src/sales/table.ts";
import { templates } from "../../src/templates/table.ts";
import { stopLater } from "./servers.ts";
import { until } from "./until.ts";

export interface CapturingProcess {
  readonly capture: Capture;
  readonly descriptions: Lookup<number, { text: string }>;
  readonly names: Lookup<number, { name: string }>;
  stop(): Promise<void>;
}

/** Starts one and waits until its memory is believed. */
export async function startCapturing({
  redisUrl,
  databaseUrl,
}: {
  redisUrl: string;
  databaseUrl: string;
}): Promise<CapturingProcess> {
  const log = createLog("silent");
  const redis = connectRedis(redisUrl, "reads", log);
  const subscriber = connectRedis(redisUrl, "subscriber", log);
  const pool = openPool(databaseUrl, 2);
  const levels = createLevels({ redis, subscriber, log });
  const descriptions = levels.lookup<number, { text: string }>({
    ...{ kind: "template", entriesMax: 100, parse: JSON.parse },
    load: async (id) => {
      const [row] = await pool.db
        .select({ text: templates.description })
        .from(templates)
        .where(eq(templates.id, id));
      return row;
    },
  });
  const names = levels.lookup<number, { name: string }>({
    ...{ kind: "sale", entriesMax: 100, parse: JSON.parse },
    load: async (id) => {
      const [row] = await pool.db.select({ name: sales.name }).from(sales).where(eq(sales.id, id));
      return row;
    },
  });
  const capture = createCapture({ databaseUrl, redisUrl, logLevel: "silent" }, log);
  levels.start();
  capture.start();
  let stopped: Promise<void> | undefined;
  const stop = () =>
    (stopped ??= (async () => {
      await capture.stop();
      await levels.stop();
      await pool.close();
      redis.disconnect();
      subscriber.disconnect();
    })());
  stopLater(stop);
  await until("trust", () => levels.isTrusted());
  return { capture, descriptions, names, stop };
}

/** Runs statements by the mysql client. Throws with what it says when it fails. */
export async function byClient(databaseUrl: string, statements: string): Promise<void> {
  const url = new URL(databaseUrl);
  const socket = url.searchParams.get("socketPath");
  const where = socket
    ? [`--socket=${socket}`]
    : [`--host=${url.hostname}`, `--port=${url.port || 3306}`, "--protocol=TCP"];
  const client = Bun.which("mysql") ?? Bun.which("mariadb") ?? "mysql";
  const child = Bun.spawn(
    [
      ...[client, "--no-defaults", ...where, `--user=${decodeURIComponent(url.username)}`],
      ...[url.pathname.slice(1), `--execute=${statements}`],
    ],
    {
      env: { ...process.env, MYSQL_PWD: decodeURIComponent(url.password) },
      ...{ stdin: "ignore", stdout: "ignore", stderr: "pipe" },
    },
  );
  const said = await new Response(child.stderr).text();
  if ((await child.exited) !== 0) throw new Error(said.trim());
}

// Change capture where MySQL gives it nothing to read: a server that can no longer be reached although nobody has hung
// up, and one that has no binlog.

import { afterAll, describe, expect, test } from "bun:test";
import { BinlogReader } from "../src/cache/reader.ts";
import { openConnection, openPool } from "../src/db/client.ts";
import { reasonOf } from "../src/db/errors.ts";
import { migrate } from "../src/db/migrate.ts";
import { layoutOf } from "../src/embedded/layout.ts";
import { createDatabase, mysqlServer } from "../src/embedded/mysql.ts";
import { limits } from "../src/limits.ts";
import { createLog } from "../src/log.ts";
import { connectRedis } from "../src/redis/client.ts";
import { capturePositionKey } from "../src/redis/keys.ts";
import { templates } from "../src/templates/table.ts";
import { byClient, type CapturingProcess, startCapturing } from "./harness/captures.ts";
import { linkTo } from "./harness/links.ts";
import {
  freshFolder,
  startMysql,
  startRedis,
  stopEverything,
  stopLater,
} from "./harness/servers.ts";
import { until } from "./harness/until.ts";

afterAll(stopEverything);

const [mysql, { url: redisUrl }] = await Promise.all([startMysql(), startRedis()]);
await migrate(mysql.url);
const { db, close } = openPool(mysql.url, 1);
const redis = connectRedis(redisUrl, "reads", createLog("silent"));
stopLater(async () => {
  redis.disconnect();
  await close();
});

const [template] = await db
  .insert(templates)
  .values({ ...{ sellerId: 1, name: "t", description: "old", faceValue: 5 } })
  .$returningId();
const templateId = template?.id ?? 0;

const update = (text: string) =>
  byClient(mysql.url, `UPDATE templates SET description = '${text}' WHERE id = ${templateId}`);

const shown = ({ descriptions }: CapturingProcess, text: string) =>
  until(`"${text}" to be shown`, async () => (await descriptions.get(templateId))?.text === text);

describe("a MySQL that can no longer be reached, and nobody has hung up", () => {
  test("is noticed by whoever reads, a quiet one is not taken for it, and nothing is missed", async () => {
    const link = await linkTo(mysql.url);
    const connection = await openConnection(mysql.url);
    stopLater(connection.close);
    const progress = { rows: 0, changes: 0, lagMs: 0 };
    const stopping = new AbortController();
    const read = async (): Promise<{ end: () => string | undefined }> => {
      let [isReading, end]: [boolean, string | undefined] = [false, undefined];
      // Through the proxy is what the library reads by, and nothing else.
      const deps = { databaseUrl: link.url, redis, connection, from: "a test", progress };
      const whole = new BinlogReader(deps).read(stopping.signal, () => {
        isReading = true;
      });
      void whole.then(
        () => (end = "stopped"),
        (error) => (end = reasonOf(error)),
      );
      await until("it to read", () => isReading);
      return { end: () => end };
    };
    await redis.del(capturePositionKey);
    const first = await read();
    await until("a position", () => redis.get(capturePositionKey));
    const quietMs = limits.captureHeartbeatMs * (limits.captureHeartbeatsMissedMax + 3);
    const begun = performance.now();
    await until("a quiet time", () => performance.now() - begun > quietMs);
    expect(first.end()).toBeUndefined();

    link.proxy.silence();
    await update("unheard");
    expect(await until("the end", first.end, { withinMs: 20_000 })).toContain("heartbeat");
    const { rows } = progress;
    const second = await read();
    await until("what was changed meanwhile", () => progress.rows > rows);
    expect(second.end()).toBeUndefined();
    stopping.abort();
    await until("the end", second.end);
  });

  test("is reached by another connection, and what was changed meanwhile is shown", async () => {
    const link = await linkTo(mysql.url);
    const alone = await startCapturing({ redisUrl, databaseUrl: link.url });
    await until("a reader", () => alone.capture.status().state === "reading");
    link.proxy.silence();
    await update("meanwhile");
    await shown(alone, "meanwhile");
    await until("a reader", () => alone.capture.status().state === "reading");
    await update("later");
    await shown(alone, "later");
    await alone.stop();
  });
});

test("a server without a binlog is told of, and the service goes on without", async () => {
  const server = mysqlServer(layoutOf(freshFolder("no-binlog")), {
    ...{ keepUp: false, onSay: () => undefined },
    through: () => ["sh", "-c", 'exec "$@" --skip-log-bin', "sh"],
  });
  stopLater(() => server.process.stop());
  await server.start();
  await createDatabase(server.urlOf("mysql"), "doorbuster");
  const databaseUrl = server.urlOf("doorbuster");
  await migrate(databaseUrl);
  const alone = await startCapturing({ redisUrl, databaseUrl });
  const status = await until("the refusal", () => {
    const found = alone.capture.status();
    return found.state === "unreadable" ? found : undefined;
  });
  expect(status.reason).toBe("the binlog: it has none (log_bin)");
  const id = templateId + 1_000;
  const values = `${id}, 1, 't', 'here', 5`;
  const columns = "id, seller_id, name, description, face_value";
  await byClient(databaseUrl, `INSERT INTO templates (${columns}) VALUES (${values})`);
  expect(await alone.descriptions.get(id)).toEqual({ text: "here" });
  await alone.stop();
});

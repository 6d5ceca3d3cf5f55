// The harness itself: what the other tests take for granted.

import { afterAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { sql } from "drizzle-orm";
import { openPool } from "../src/db/client.ts";
import { createLog } from "../src/log.ts";
import { connectRedis } from "../src/redis/client.ts";
import { redisProblems } from "../src/redis/settings.ts";
import {
  freshDatabase,
  freshFolder,
  startMysql,
  startRedis,
  stopEverything,
} from "./harness/servers.ts";
import { until } from "./harness/until.ts";

afterAll(stopEverything);

const silent = createLog("silent");

describe("until", () => {
  test("gives back what it waited for", async () => {
    let asked = 0;
    expect(await until("the third time", () => (++asked === 3 ? "done" : undefined))).toBe("done");
  });

  test("says what it waited for, and what it saw, when it gives up", async () => {
    const waiting = until(
      "rain",
      () => {
        throw new Error("sunshine");
      },
      { withinMs: 30 },
    );
    await expect(waiting).rejects.toThrow(
      "waited for rain, in vain for 30 ms; last seen: sunshine",
    );
  });
});

describe("the servers", () => {
  test("a fresh database has the tables and stays apart from the next one", async () => {
    const [one, other] = [await freshDatabase(), await freshDatabase()];
    expect(one.name).not.toBe(other.name);
    const pool = openPool(one.url, 1);
    const [rows] = await pool.db.execute(sql`SELECT COUNT(*) AS shards FROM shards`);
    expect((rows as unknown as { shards: number }[])[0]?.shards).toBe(16);
    await pool.close();
  });

  test.each(["durable", "fast"] as const)(
    "Redis has the settings that %s asks for",
    async (durability) => {
      const { url } = await startRedis({ durability });
      const redis = connectRedis(url, "reads", silent);
      await until("the connection", () => redis.status === "ready");
      expect(await redisProblems(redis, durability)).toEqual([]);
      redis.disconnect();
    },
  );

  test("a Redis that was killed has its data when it is started again", async () => {
    const { url, process } = await startRedis();
    const redis = connectRedis(url, "reads", silent);
    await until("the connection", () => redis.status === "ready");
    await redis.set("kept", "yes");
    await process.kill("SIGKILL");
    expect(process.pid).toBeUndefined();
    await process.start();
    expect(await until("the value", () => redis.get("kept"))).toBe("yes");
    redis.disconnect();
  });

  test("a MySQL of one's own can be killed and started again", async () => {
    const { url, process } = await startMysql();
    const pool = openPool(url, 1);
    await pool.db.execute(sql`CREATE TABLE kept (id INT PRIMARY KEY)`);
    const before = process.pid;
    await process.kill("SIGKILL");
    await expect(pool.db.execute(sql`SELECT 1`)).rejects.toThrow();
    await process.start();
    expect(process.pid).not.toBe(before);
    await until("the table", () => pool.db.execute(sql`SELECT * FROM kept`));
    await pool.close();
  });

  test("a MySQL has a place of its own for temporary files, where no other server removes them", async () => {
    const folder = freshFolder("mysql");
    const { url } = await startMysql({ folder });
    const pool = openPool(url, 1);
    const [rows] = await pool.db.execute(sql`SELECT @@tmpdir AS place`);
    expect((rows as unknown as { place: string }[])[0]?.place).toStartWith(folder);
    await pool.close();
  });

  test("stopped servers leave no process and no socket that answers", async () => {
    const { process } = await startRedis();
    const pid = process.pid ?? 0;
    expect(existsSync(`/proc/${pid}`)).toBe(true);
    await process.stop();
    expect(existsSync(`/proc/${pid}`)).toBe(false);
  });
});

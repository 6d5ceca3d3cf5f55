// POST with an Idempotency-Key: what is asked for is done once, and every repeat gets the answer of the first.

import { afterAll, afterEach, beforeAll, describe, expect, spyOn, test } from "bun:test";
import { eq, sql } from "drizzle-orm";
import { type Database, openPool } from "../src/db/client.ts";
import { createAnswers } from "../src/idempotency/service.ts";
import { idempotencyKeys } from "../src/idempotency/table.ts";
import { limits } from "../src/limits.ts";
import { createLog } from "../src/log.ts";
import { templates } from "../src/templates/table.ts";
import { startApi, type TestApi } from "./harness/api.ts";
import { freshName, newUser } from "./harness/http.ts";
import { startStores, stopEverything, stopLater } from "./harness/servers.ts";
import { type Behind, behind } from "./harness/service.ts";
import { until } from "./harness/until.ts";
import { type V1Answer, v1 } from "./harness/v1.ts";

let settings: { REDIS_URL: string; DATABASE_URL: string };
let api: TestApi;
let past: Behind;
/** Connections that hold a table each. */
let holders: { templates: Database; idempotency_keys: Database };
let token: string;

beforeAll(async () => {
  ({ settings } = await startStores());
  [api, past] = await Promise.all([startApi(settings), behind(settings)]);
  const [one, other] = [1, 2].map(() => openPool(settings.DATABASE_URL, 1));
  if (!one || !other) throw new Error("no pools");
  stopLater(one.close);
  stopLater(other.close);
  holders = { templates: one.db, idempotency_keys: other.db };
  ({ token } = await newUser(api.url, "seller"));
});
afterEach(() => letGo("templates", "idempotency_keys"));
afterAll(stopEverything);

const TEMPLATES = "POST /v1/templates";
const template = (name: string) => ({ name, type: "amount_off", faceValue: 500, currency: "CNY" });
const ask = (body: object, key: string, more: { token?: string; url?: string } = {}) =>
  v1(more.url ?? api.url, TEMPLATES, { token: more.token ?? token, body, key });

const isReplay = ({ headers }: V1Answer): boolean => headers.get("idempotent-replayed") === "true";
const madeOf = async (name: string): Promise<number> =>
  (await past.db.select().from(templates).where(eq(templates.name, name))).length;
const busyKeys = () =>
  past.db.select().from(idempotencyKeys).where(sql`${idempotencyKeys.owner} IS NOT NULL`);

/** From now on nobody else reads or writes the table; who tries waits. */
const hold = (table: keyof typeof holders) =>
  holders[table].execute(sql.raw(`LOCK TABLES ${table} WRITE`));
const letGo = (...tables: (keyof typeof holders)[]) =>
  Promise.all(tables.map((table) => holders[table].execute(sql`UNLOCK TABLES`)));

/** The connections that run a statement of this kind in the tests' database. */
async function running(pattern: RegExp): Promise<number[]> {
  const [rows] = await past.db.execute(sql`SHOW FULL PROCESSLIST`);
  const { pathname } = new URL(settings.DATABASE_URL);
  return (rows as unknown as { Id: number; db: string | null; Info: string | null }[])
    .filter(({ db, Info }) => db === pathname.slice(1) && pattern.test(Info ?? ""))
    .map(({ Id }) => Id);
}

const INSERT = /^insert into `templates`/i;
const KEEP = /^update `idempotency_keys`/i;

describe("a repeat", () => {
  test("gets the status and the body of the first, marked, and nothing is done twice", async () => {
    const [name, key] = [freshName("once"), freshName("key")];
    const first = await ask(template(name), key);
    const again = await ask(template(name), key);
    expect([first.status, isReplay(first)]).toEqual([201, false]);
    expect([again.status, again.body, isReplay(again)]).toEqual([201, first.body, true]);
    expect(again.headers.get("content-type")).toBe(first.headers.get("content-type"));
    expect(await madeOf(name)).toBe(1);
  });

  test("gets what the first said in headers of where the thing is and which version it has", async () => {
    const key = freshName("key");
    const told = ({ headers }: V1Answer) =>
      ["content-type", "etag", "location", "idempotent-replayed"].map((name) => headers.get(name));
    const first = await ask(template(freshName("told")), key);
    const { id } = first.body as { id: number };
    const all = ["application/json", '"1"', `/v1/templates/${id}`];
    expect(told(first)).toEqual([...all, null]);
    expect(told(await ask(template(first.body.name), key))).toEqual([...all, "true"]);

    const publish = () =>
      v1(api.url, `POST /v1/templates/${id}/publish`, { token, key: `${key}-2` });
    await publish();
    const version = ["application/json", '"2"', null];
    expect(told(await publish())).toEqual([...version, "true"]);
  });

  test("with another body, or somewhere else, is refused", async () => {
    const [name, key] = [freshName("once"), freshName("key")];
    const { body } = await ask(template(name), key);
    const other = await ask(template(freshName("other")), key);
    expect([other.status, other.body.code]).toEqual([422, "idempotency_key_reused"]);
    const elsewhere = await v1(api.url, `POST /v1/templates/${body.id}/publish`, { token, key });
    expect([elsewhere.status, elsewhere.body.code]).toEqual([422, "idempotency_key_reused"]);
  });

  test("by somebody else is another request", async () => {
    const [name, key] = [freshName("once"), freshName("key")];
    const other = (await newUser(api.url, "seller")).token;
    const [mine, theirs] = [
      await ask(template(name), key),
      await ask(template(name), key, { token: other }),
    ];
    expect([mine.status, theirs.status, isReplay(theirs)]).toEqual([201, 201, false]);
    expect(theirs.body.id).not.toBe(mine.body.id);
  });

  test("of 50 at once is done once, and all others are told so or to wait", async () => {
    const [name, key] = [freshName("once"), freshName("key")];
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask(template(name), key)));
    const done = answers.filter(({ status }) => status === 201);
    expect(done.filter((answer) => !isReplay(answer))).toHaveLength(1);
    expect(new Set(done.map(({ body }) => body.id)).size).toBe(1);
    const others = answers.filter(({ status }) => status !== 201);
    for (const { status, body } of others)
      expect([status, body.code]).toEqual([409, "idempotency_in_progress"]);
    expect(await madeOf(name)).toBe(1);
  });

  test("without a key is another request", async () => {
    const name = freshName("twice");
    await v1(api.url, TEMPLATES, { token, body: template(name) });
    await v1(api.url, TEMPLATES, { token, body: template(name) });
    expect(await madeOf(name)).toBe(2);
  });
});

test.each(["a b", "\u00e9", "x".repeat(256)])("%j is no key", async (key) => {
  const { status, body } = await ask(template(freshName("no-key")), key);
  expect([status, body.errors?.[0]?.parameter]).toEqual([422, "Idempotency-Key"]);
});

describe("what is kept", () => {
  test("are refusals too, those of the state of things", async () => {
    const key = freshName("key");
    const publish = () => v1(api.url, "POST /v1/templates/999999/publish", { token, key });
    const [missing, repeat] = [await publish(), await publish()];
    expect([missing.status, repeat.status, isReplay(repeat)]).toEqual([404, 404, true]);
    expect(repeat.headers.get("content-type")).toBe("application/problem+json");
  });

  test.each([
    ["the schema finds", { faceValue: -1 }],
    ["the rules find", { faceValue: null }],
  ])("is no wrong field that %s: with the field mended the key is good", async (_, wrong) => {
    const [name, key] = [freshName("mended"), freshName("key")];
    for (let round = 0; round < 2; round += 1) {
      const refused = await ask({ ...template(name), ...wrong }, key);
      expect([refused.body.code, isReplay(refused)]).toEqual(["validation", false]);
    }
    const made = await ask(template(name), key);
    expect([made.status, isReplay(made)]).toEqual([201, false]);
    expect((await ask({ ...template(name), ...wrong }, key)).body.code).toBe(
      "idempotency_key_reused",
    );
    expect(isReplay(await ask(template(name), key))).toBe(true);
  });

  test("is no failure of a server: the repeat does it", async () => {
    const [name, key] = [freshName("failed"), freshName("key")];
    await hold("templates");
    const failed = ask(template(name), key);
    await until("the insert to wait", async () => {
      const [id] = await running(INSERT);
      return id !== undefined && past.db.execute(sql.raw(`KILL ${id}`));
    });
    const { status, body } = await failed;
    expect([status, body.code]).toEqual([503, "unavailable"]);
    await letGo("templates");
    const again = await ask(template(name), key);
    expect([again.status, isReplay(again), await madeOf(name)]).toEqual([201, false, 1]);
  });
});

describe("while the first is under way", () => {
  test("a repeat is told to wait, and gets the answer afterwards", async () => {
    const [name, key] = [freshName("slow"), freshName("key")];
    await hold("templates");
    const first = ask(template(name), key);
    await until("the insert to wait", async () => (await running(INSERT)).length > 0);
    const early = await ask(template(name), key);
    expect([early.status, early.body.code]).toEqual([409, "idempotency_in_progress"]);
    expect(Number(early.headers.get("retry-after"))).toBeGreaterThan(0);
    const other = await ask(template(freshName("other")), key);
    expect([other.status, other.body.code]).toEqual([422, "idempotency_key_reused"]);
    await letGo("templates");
    const { status, body } = await first;
    const late = await ask(template(name), key);
    expect([status, late.status, late.body, isReplay(late)]).toEqual([201, 201, body, true]);
  });

  // Where the process dies: before anything is made, and between what was made and the answer that is kept.
  test.each([
    ["before it has done anything", INSERT, 0],
    ["after it has done it, before it is known", KEEP, 1],
  ] as const)(
    "the process dies %s: a repeat elsewhere does it, once",
    async (_, statement, made) => {
      const mortal = await startApi(settings);
      const [name, key] = [freshName("crash"), freshName("key")];
      await hold("templates");
      const lost = ask(template(name), key, { url: mortal.url }).catch(() => "lost");
      await until("the insert to wait", async () => (await running(INSERT)).length > 0);
      if (statement === KEEP) {
        await hold("idempotency_keys");
        await letGo("templates");
      }
      const [id] = await until("the statement to wait", async () => {
        const ids = await running(statement);
        return ids.length > 0 ? ids : undefined;
      });
      await mortal.end("SIGKILL");
      // What a dead client has sent is carried out all the same, unless the server is told.
      await past.db.execute(sql.raw(`KILL ${id}`));
      await letGo("templates", "idempotency_keys");
      expect(await lost).toBe("lost");
      expect([await madeOf(name), (await busyKeys()).length]).toEqual([made, 1]);

      expect((await ask(template(name), key)).status).toBe(409);
      // As if `idempotencyBusySeconds` had passed.
      await past.db
        .update(idempotencyKeys)
        .set({ busyUntil: sql`${idempotencyKeys.busyUntil} - INTERVAL 1 HOUR` });
      const repeats = await Promise.all([1, 2, 3].map(() => ask(template(name), key)));
      const done = repeats.filter(({ status }) => status === 201);
      expect(done.length).toBeGreaterThan(0);
      expect(new Set(done.map(({ body }) => body.id)).size).toBe(1);
      expect([await madeOf(name), (await busyKeys()).length]).toEqual([1, 0]);
    },
  );
});

describe("after a day", () => {
  const aDayAgo = sql`UTC_TIMESTAMP(3) - INTERVAL ${sql.raw(String(limits.idempotencyKeptSeconds + 60))} SECOND`;
  const age = () => past.db.update(idempotencyKeys).set({ createdAt: aDayAgo });

  test("the rows are deleted, however many there are, and younger ones stay", async () => {
    const old = Array.from({ length: limits.idempotencyPurgedPerBatch + 1 }, () => ({
      ...{ keyHash: freshName("old"), requestKey: crypto.randomUUID(), fingerprint: "x" },
      busyUntil: new Date(0),
    }));
    await past.db.insert(idempotencyKeys).values(old);
    await age();
    const young = freshName("key");
    const kept = template(freshName("young"));
    await ask(kept, young);
    const timers = spyOn(globalThis, "setInterval");
    const stop = createAnswers({ db: past.db, log: createLog("silent") }).start();
    const pass = timers.mock.calls.at(-1)?.[0] as () => void;
    timers.mockRestore();
    pass();
    await until("the old rows to be gone", async () => {
      const rows = await past.db.select().from(idempotencyKeys);
      return rows.length === 1;
    });
    await stop();
    expect(isReplay(await ask(kept, young))).toBe(true);
  });

  test("a key stands for another request, with another body", async () => {
    const [name, key] = [freshName("old"), freshName("key")];
    const old = await ask(template(name), key);
    await age();
    const other = freshName("new");
    const { status, body } = await ask(template(other), key);
    expect([status, body.name, body.id === old.body.id]).toEqual([201, other, false]);
  });
});

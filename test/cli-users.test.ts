// `doorbuster user` and `doorbuster key`, beside a running service.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { codeOf, logInV1, newAccount, refresh, signIn, statusOf } from "./harness/accounts.ts";
import { startApi, type TestApi, watch } from "./harness/api.ts";
import { type CliEnd, runCli } from "./harness/cli.ts";
import { call, freshName, logIn } from "./harness/http.ts";
import { freshDatabase, startRedis, stopEverything } from "./harness/servers.ts";
import { until } from "./harness/until.ts";
import { v1 } from "./harness/v1.ts";

let api: TestApi;
let servers: { redisUrl: string; databaseUrl: string };

beforeAll(async () => {
  const [redis, database] = await Promise.all([startRedis(), freshDatabase()]);
  servers = { redisUrl: redis.url, databaseUrl: database.url };
  api = await startApi({ REDIS_URL: redis.url, DATABASE_URL: database.url });
});
afterAll(stopEverything);

const run = (...words: string[]) => runCli(servers, ...words);

/** Runs a command with this on its standard input. */
async function runWith(input: string, ...words: string[]): Promise<Omit<CliEnd, "peakBytes">> {
  const script = 'printf "%s" "$INPUT" | "$0" --no-env-file src/cli/main.ts "$@"';
  const child = watch(["sh", "-c", script, process.execPath, ...words], {
    INPUT: input,
    REDIS_URL: servers.redisUrl,
    DATABASE_URL: servers.databaseUrl,
  });
  await until("its end", () => child.exitCode() !== undefined, { withinMs: 40_000 });
  await child.end("SIGKILL");
  return { code: child.exitCode() ?? -1, output: child.output() };
}

const drawnIn = (output: string): string => /shown only now: (\S+)/.exec(output)?.[1] ?? "";

describe("user create", () => {
  test("makes the first admin, whose drawn password is shown once", async () => {
    const username = freshName("boss");
    const { code, output } = await run("user", "create", "--role", "admin", username);
    expect([code, output]).toEqual([0, expect.stringContaining(`Made the admin ${username}.`)]);
    const session = await signIn(api.url, { username, password: drawnIn(output) });
    expect(session.user.role).toBe("admin");
    expect(await statusOf(api.url, session.accessToken)).toBe(200);
  });

  test("takes the password from standard input, and then does not show it", async () => {
    const username = freshName("shop");
    const words = ["user", "create", "--role", "seller", "--password-stdin", username];
    const { code, output } = await runWith("a pass word\nand more", ...words);
    expect(code).toBe(0);
    expect(output).not.toContain("a pass word");
    const session = await signIn(api.url, { username, password: "a pass word" });
    expect(session.user.role).toBe("seller");
  });

  test("says what to do about a name, a role or a password that cannot be", async () => {
    const { username } = await newAccount(api.url);
    const refusals: [words: string[], said: string][] = [
      [["--role", "admin", username.toUpperCase()], "is taken"],
      [["--role", "admin", "x".repeat(21)], "Use 1 to 20 visible characters"],
      [["--role", "boss", "somebody"], "Allowed choices are admin, seller, customer"],
      [["somebody"], "--role"],
      [["--role", "admin"], "missing required argument 'name'"],
    ];
    for (const [words, said] of refusals) {
      const { code, output } = await run("user", "create", ...words);
      expect([words, code, output]).toEqual([words, 2, expect.stringContaining(said)]);
    }
    const weak = ["user", "create", "--role", "admin", "--password-stdin", freshName("weak")];
    expect(await runWith("password123\n", ...weak)).toEqual({
      ...{ code: 2, output: expect.stringContaining("tried first") },
    });
    expect(await runWith("", ...weak)).toEqual({
      ...{ code: 2, output: expect.stringContaining("standard input") },
    });
  });
});

describe("an account", () => {
  test("that is disabled has no log-in and no token, until it is enabled", async () => {
    const session = await signIn(api.url);
    const classic = await logIn(api.url, session);
    const { code, output } = await run("user", "disable", session.username.toUpperCase());
    expect([code, output]).toEqual([0, expect.stringContaining(`${session.username} is disabled`)]);
    for (const token of [session.accessToken, classic]) {
      await until("the token to be refused", async () => {
        return (await statusOf(api.url, token)) === "401 token_revoked";
      });
    }
    expect((await refresh(api.url, session.refreshToken)).status).toBe(401);
    expect((await logInV1(api.url, session)).status).toBe(401);
    const { username, password } = session;
    const old = await call(`POST ${api.url}/api/auth`, { body: { username, password } });
    expect([old.status, old.body]).toEqual([401, { errMsg: "No such queryUser.", kind: "" }]);

    expect((await run("user", "enable", username)).code).toBe(0);
    expect(await statusOf(api.url, (await signIn(api.url, session)).accessToken)).toBe(200);
    expect(await statusOf(api.url, session.accessToken)).toBe("401 token_revoked");
  });

  test("gets a new password, which ends all its tokens", async () => {
    const session = await signIn(api.url);
    const { code, output } = await run("user", "password", session.username);
    expect(code).toBe(0);
    await until("the token to be refused", async () => {
      return (await statusOf(api.url, session.accessToken)) === "401 token_revoked";
    });
    expect((await logInV1(api.url, session)).status).toBe(401);
    const again = await signIn(api.url, { ...session, password: drawnIn(output) });
    expect(await statusOf(api.url, again.accessToken)).toBe(200);
  });

  test("that does not exist is named, with the command that lists all", async () => {
    for (const verb of ["disable", "enable", "password"]) {
      const { code, output } = await run("user", verb, "nobody");
      expect([verb, code, output]).toEqual([
        ...[verb, 2, expect.stringContaining("There is no user nobody.")],
      ]);
      expect(output).toContain("doorbuster user list");
    }
  });
});

test("user list shows a page, and how to get the next", async () => {
  for (let at = 0; at < 3; at += 1) await newAccount(api.url);
  const { code, output } = await run("user", "list", "--limit", "2");
  expect(code).toBe(0);
  const after = /More: doorbuster user list --after (\d+)/.exec(output)?.[1] ?? "";
  const { output: rest } = await run("user", "list", "--json", "--limit", "100", "--after", after);
  const lines = rest
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines.length).toBeGreaterThan(0);
  for (const line of lines) {
    expect(line).toEqual({
      ...{ id: expect.any(Number), name: expect.any(String), registered: expect.any(String) },
      ...{ role: expect.stringMatching(/^(admin|seller|customer)$/), disabled: expect.any(String) },
    });
    expect(line.id).toBeGreaterThan(Number(after));
  }
  expect(rest).not.toContain("argon2");
  expect((await run("user", "list", "--limit", "0")).code).toBe(2);
});

describe("the key of a service", () => {
  test("is shown once, listed by its name, and revoked", async () => {
    const name = freshName("checkout");
    const made = await run("key", "create", name);
    const key = /dbk_[\w-]{43}/.exec(made.output)?.[0] ?? "";
    expect([made.code, key]).toEqual([0, expect.stringContaining("dbk_")]);
    await until("the key", async () => (await statusOf(api.url, key)) === "403 forbidden");

    const listed = await run("key", "list");
    expect([listed.code, listed.output]).toEqual([0, expect.stringContaining(name)]);
    expect(listed.output).not.toContain(key);

    const again = await run("key", "create", name);
    expect([again.code, again.output]).toEqual([2, expect.stringContaining("Use another name")]);

    expect((await run("key", "revoke", name)).code).toBe(0);
    await until("the key to be refused", async () => {
      return (await statusOf(api.url, key)) === "401 invalid_token";
    });
    const gone = await run("key", "revoke", name);
    expect([gone.code, gone.output]).toEqual([2, expect.stringContaining("doorbuster key list")]);
  });

  test("that was made up, cut or sent without Bearer is refused", async () => {
    const { output } = await run("key", "create", freshName("checkout"));
    const key = /dbk_[\w-]{43}/.exec(output)?.[0] ?? "";
    const wrong = ["dbk_", `dbk_${"A".repeat(43)}`, key.slice(0, -1), `${key}A`, key.toLowerCase()];
    for (const one of wrong) expect(await statusOf(api.url, one)).toBe("401 invalid_token");
    const raw = await v1(api.url, "GET /v1/me", { headers: { Authorization: key } });
    expect(codeOf(raw)).toBe("401 unauthenticated");
  });
});

test("help shows an example", async () => {
  const { code, output } = await run("user", "create", "--help");
  expect([code, output]).toEqual([
    0,
    expect.stringContaining("doorbuster user create --role admin alice"),
  ]);
});

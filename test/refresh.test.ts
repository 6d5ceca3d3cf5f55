// Sessions of /v1 against a real MySQL: what a refresh token is worth, and for how long.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq, sql } from "drizzle-orm";
import { purgeSessions } from "../src/auth/purge.ts";
import { createSessions, type TokenPair } from "../src/auth/refresh.ts";
import { refreshTokens } from "../src/auth/table.ts";
import { type Claims, createTokens } from "../src/auth/token.ts";
import { systemClock } from "../src/clock.ts";
import { type Database, openPool } from "../src/db/client.ts";
import { limits } from "../src/limits.ts";
import { disableUser, enableUser, setPassword } from "../src/users/changes.ts";
import { nameKeyOf } from "../src/users/name.ts";
import { users } from "../src/users/table.ts";
import { TEST_SECRET } from "./harness/api.ts";
import { freshName, inParallel, tally } from "./harness/http.ts";
import { freshDatabase, stopEverything, stopLater } from "./harness/servers.ts";

let db: Database;
let other: Database;
const revoked = new Map<string, number>();
const tokens = createTokens(TEST_SECRET, systemClock, () => false);

beforeAll(async () => {
  const { url } = await freshDatabase();
  const pools = [openPool(url, 8), openPool(url, 8)] as const;
  [db, other] = [pools[0].db, pools[1].db];
  stopLater(async () => {
    for (const { close } of pools) await close();
  });
});
afterAll(stopEverything);

const sessionsOn = (database: Database, jwtSecret = TEST_SECRET) =>
  createSessions({
    ...{ db: database, jwtSecret, tokens },
    revocations: { revoke: async (id, expiresAt) => void revoked.set(id, expiresAt) },
  });

async function newUser(): Promise<{ id: number; username: string; kind: "customer" }> {
  const username = freshName("user");
  const row = { username, nameKey: nameKeyOf(username), kind: "customer", passwordHash: "old" };
  const [made] = await db.insert(users).values(row).$returningId();
  return { id: made?.id ?? 0, username, kind: "customer" };
}

async function begin(): Promise<{ pair: TokenPair; user: Awaited<ReturnType<typeof newUser>> }> {
  const user = await newUser();
  const pair = await sessionsOn(db).begin(user);
  if (!pair) throw new Error("no session");
  return { pair, user };
}

const rotate = (token: string, on = db) => sessionsOn(on).rotate(token);

/** Makes the user's sessions what they are when the clock was set back by an hour since. */
const issuedLater = (userId: number) =>
  db
    .update(refreshTokens)
    .set({ issuedAt: new Date(Date.now() + 3_600_000) })
    .where(eq(refreshTokens.userId, userId));

/** A rotation that must succeed. */
async function next(token: string, on = db): Promise<TokenPair> {
  const outcome = await rotate(token, on);
  if (outcome.kind !== "ok") throw new Error(outcome.kind);
  return outcome.pair;
}

function claimsOf(pair: TokenPair): Claims {
  const check = tokens.verify(`Bearer ${pair.accessToken}`);
  if (!check.ok) throw new Error(check.reason);
  return check.claims;
}

const sessionOf = (pair: TokenPair): string => claimsOf(pair).sessionId ?? "";

/** Lets time pass for a session: all its instants move into the past. */
async function age(pair: TokenPair, milliseconds: number): Promise<void> {
  const ago = sql.raw(`INTERVAL ${milliseconds * 1_000} MICROSECOND`);
  await db
    .update(refreshTokens)
    .set({
      issuedAt: sql`${refreshTokens.issuedAt} - ${ago}`,
      expiresAt: sql`${refreshTokens.expiresAt} - ${ago}`,
    })
    .where(eq(refreshTokens.family, sessionOf(pair)));
}

describe("a refresh token", () => {
  test("gives the next pair of the same session, again and again", async () => {
    const { pair, user } = await begin();
    expect(claimsOf(pair)).toMatchObject({ userId: String(user.id), username: user.username });
    let last = pair;
    for (let time = 1; time <= 3; time += 1) {
      const now = await next(last.refreshToken, time % 2 === 0 ? db : other);
      expect(now.refreshToken).not.toBe(last.refreshToken);
      expect(claimsOf(now).tokenId).not.toBe(claimsOf(last).tokenId);
      expect(sessionOf(now)).toBe(sessionOf(pair));
      expect(now.refreshTokenExpiresAt).toEqual(pair.refreshTokenExpiresAt);
      last = now;
    }
  });

  test("gives an access token of a quarter of an hour and lives itself for thirty days", async () => {
    const { pair } = await begin();
    const left = (time: Date) => (time.getTime() - Date.now()) / 1_000;
    expect(Math.abs(left(pair.accessTokenExpiresAt) - 900)).toBeLessThan(30);
    expect(Math.abs(left(pair.refreshTokenExpiresAt) - 30 * 86_400)).toBeLessThan(30);
    expect(claimsOf(pair).expiresAt * 1_000).toBe(pair.accessTokenExpiresAt.getTime());
  });

  test("whose answer was lost gives the same pair for five seconds, on any process", async () => {
    const { pair } = await begin();
    const first = await next(pair.refreshToken);
    expect(await next(pair.refreshToken, other)).toEqual(first);
    await age(pair, limits.refreshGraceMs - 2_000);
    expect((await next(pair.refreshToken)).refreshToken).toBe(first.refreshToken);
    expect((await next(first.refreshToken)).refreshToken).not.toBe(first.refreshToken);
  });

  test("that twenty ask for at once is rotated once, and all get the same pair", async () => {
    const { pair } = await begin();
    const pairs = await Promise.all(
      Array.from({ length: 20 }, (_, at) => next(pair.refreshToken, at % 2 === 0 ? db : other)),
    );
    for (const one of pairs) expect(one).toEqual(pairs[0] as TokenPair);
    const [row] = await db
      .select()
      .from(refreshTokens)
      .where(eq(refreshTokens.family, sessionOf(pair)));
    expect(row?.generation).toBe(2);
  });

  test("that is shown again later ends its session, for whoever holds the newest too", async () => {
    const { pair } = await begin();
    const stolen = await next(pair.refreshToken);
    await age(pair, limits.refreshGraceMs + 1);
    expect(await rotate(pair.refreshToken)).toEqual({ kind: "reused" });
    expect(await rotate(stolen.refreshToken, other)).toEqual({ kind: "ended" });
    // Every access token of the session is refused, for as long as the newest would have lived.
    const expiry = revoked.get(sessionOf(pair)) ?? 0;
    expect(
      Math.abs(expiry + limits.refreshGraceMs / 1_000 - claimsOf(stolen).expiresAt),
    ).toBeLessThan(2);
    expect(await rotate(pair.refreshToken)).toEqual({ kind: "reused" });
  });

  test("gets nothing by a clock that was set back since it was used", async () => {
    const { pair, user } = await begin();
    await next(pair.refreshToken);
    await issuedLater(user.id);
    expect(await rotate(pair.refreshToken)).toEqual({ kind: "reused" });
  });

  test("of two rotations ago ends the session at once: no answer was lost twice", async () => {
    const { pair } = await begin();
    const second = await next(pair.refreshToken);
    await next(second.refreshToken);
    expect(await rotate(pair.refreshToken)).toEqual({ kind: "reused" });
  });

  test("is over after thirty days, however often it was renewed", async () => {
    const { pair } = await begin();
    const renewed = await next(pair.refreshToken);
    await age(pair, limits.sessionSeconds * 1_000);
    expect(await rotate(renewed.refreshToken)).toEqual({ kind: "invalid" });
    expect(await rotate(pair.refreshToken)).toEqual({ kind: "invalid" });
  });
});

describe("no refresh token", () => {
  test("is what somebody makes up, changes or takes from another use", async () => {
    const { pair } = await begin();
    const token = pair.refreshToken;
    const [, family, generation, mac] = token.split("_");
    const wrong = [
      ...["", "dbr_", "x", token.slice(0, -1), `${token}A`, ` ${token}`, token.toUpperCase()],
      ...[pair.accessToken, `Bearer ${token}`, token.replace("dbr_", "dbk_")],
      ...[`dbr_${family}_2_${mac}`, `dbr_${crypto.randomUUID()}_${generation}_${mac}`],
      `dbr_${family}_0_${mac}`,
    ];
    for (const one of wrong) expect([one, await rotate(one)]).toEqual([one, { kind: "invalid" }]);
    expect((await rotate(token)).kind).toBe("ok");
  });

  test("is an access token, and the reverse", async () => {
    const { pair } = await begin();
    expect(tokens.verify(`Bearer ${pair.refreshToken}`)).toMatchObject({ ok: false });
    expect(tokens.verify(pair.refreshToken)).toMatchObject({ ok: false });
  });

  test("is good under another secret, and that ends no session", async () => {
    const { pair } = await begin();
    const elsewhere = sessionsOn(db, "another secret of more than thirty-two bytes");
    expect(await elsewhere.rotate(pair.refreshToken)).toEqual({ kind: "invalid" });
    expect((await rotate(pair.refreshToken)).kind).toBe("ok");
  });

  test("stands in the database, not even hashed", async () => {
    const { pair } = await begin();
    const rows = JSON.stringify(await db.select().from(refreshTokens));
    const hash = new Bun.CryptoHasher("sha256").update(pair.refreshToken).digest("hex");
    const mac = pair.refreshToken.slice(-43);
    for (const secret of [mac, hash]) expect(rows).not.toContain(secret);
  });
});

describe("a session ends", () => {
  test("when the user logs out", async () => {
    const { pair } = await begin();
    await sessionsOn(other).end(sessionOf(pair));
    expect(await rotate(pair.refreshToken)).toEqual({ kind: "ended" });
    expect(revoked.get(sessionOf(pair))).toBeGreaterThan(Date.now() / 1_000);
  });

  test("with all others of the user when the password changes, and a new one begins", async () => {
    const { pair, user } = await begin();
    const second = await sessionsOn(db).begin(user);
    const since = (await setPassword(db, user.id, "new", "old")) ?? 0;
    for (const one of [pair, second]) {
      expect(await rotate(one?.refreshToken ?? "")).toEqual({ kind: "ended" });
    }
    // A log-in that had read the old password comes too late; one that has read the new one does not.
    expect(await sessionsOn(db).begin(user)).toBeUndefined();
    const fresh = await sessionsOn(db).begin({ ...user, since });
    expect((await rotate(fresh?.refreshToken ?? "")).kind).toBe("ok");
    expect(claimsOf(fresh as TokenPair).since).toBe(since);
  });

  test("when the user is disabled, and does not come back with the user", async () => {
    const { pair, user } = await begin();
    const since = (await disableUser(db, user.id)) ?? 0;
    expect(await rotate(pair.refreshToken)).toEqual({ kind: "ended" });
    expect(await sessionsOn(db).begin({ ...user, since })).toBeUndefined();
    await enableUser(db, user.id);
    expect(await rotate(pair.refreshToken)).toEqual({ kind: "ended" });
    expect(await sessionsOn(db).begin({ ...user, since })).toBeDefined();
  });

  test("when the password changes in the millisecond in which it was begun or renewed", async () => {
    const rounds = Array.from({ length: 200 }, (_, round) => round % 2 === 0);
    const kinds = await inParallel(rounds, 3, async (renews) => {
      const { pair, user } = await begin();
      const [issued] = await Promise.all([
        renews ? next(pair.refreshToken).catch(() => pair) : sessionsOn(other).begin(user),
        setPassword(db, user.id, "new", "old"),
      ]);
      return issued && (await rotate(issued.refreshToken)).kind;
    });
    expect(tally(kinds.map(String)).ok).toBeUndefined();
  });

  test("also within the grace after a rotation", async () => {
    const { pair, user } = await begin();
    await next(pair.refreshToken);
    await setPassword(db, user.id, "new");
    expect((await rotate(pair.refreshToken)).kind).not.toBe("ok");
  });

  test("also when the clock was set back since it was renewed", async () => {
    const { pair, user } = await begin();
    const { refreshToken } = await next(pair.refreshToken);
    await issuedLater(user.id);
    await setPassword(db, user.id, "new");
    expect((await rotate(refreshToken)).kind).toBe("ended");
  });
});

test("of two changes of a password that begin with the same one, one takes place", async () => {
  const { id } = await newUser();
  const both = await Promise.all([
    setPassword(db, id, "a", "old"),
    setPassword(other, id, "b", "old"),
  ]);
  expect(both.filter((since) => since !== undefined)).toHaveLength(1);
});

test("no two endings of a user's tokens fall on one instant, though the clock was set back", async () => {
  const { id } = await newUser();
  const future = new Date(Date.now() + 3_600_000);
  await db.update(users).set({ tokensValidFrom: future }).where(eq(users.id, id));
  const one = (await setPassword(db, id, "a")) ?? 0;
  const two = (await setPassword(db, id, "b")) ?? 0;
  expect([one > future.getTime(), two > one]).toEqual([true, true]);
});

test("sessions that are over are removed in batches, and no others", async () => {
  const { pair } = await begin();
  const rows = Array.from({ length: limits.sessionsPurgedPerBatch + 1 }, () => ({
    ...{ family: crypto.randomUUID(), generation: 1, userId: 1, accessTokenId: "x" },
    ...{ issuedAt: new Date(0), expiresAt: new Date(Date.now() - 60_000) },
  }));
  await db.insert(refreshTokens).values(rows);
  expect(await purgeSessions(db)).toBe(limits.sessionsPurgedPerBatch);
  expect(await purgeSessions(db)).toBeGreaterThanOrEqual(1);
  expect(await purgeSessions(db)).toBe(0);
  expect((await rotate(pair.refreshToken)).kind).toBe("ok");
});

// Sessions of /v1: a log-in gives an access token, which lives a quarter of an hour, and a refresh token, which gets
// the next pair and is used up by that. Somebody who shows a used one has either lost our answer or stolen the token.
// Within five seconds we take it for the first and give the same answer again; after that the session ends, for
// whoever holds it, because nobody can tell the thief from the owner.
//
// The same answer can be given again because a pair is made of what stands in the session's row, and of nothing else:
// the refresh token is an HMAC of session and generation under a key derived from JWT_SECRET. So no token is stored,
// not even hashed; a token that was not made here is refused without asking MySQL; and another JWT_SECRET ends all
// sessions.
//
//   refresh token   dbr_<session>_<generation>_<HMAC>
//
// Whatever gives a user tokens or changes the password holds the lock of the user's row, so that these happen one after
// the other. A log-out needs no lock: a rotation renews only what is not revoked. All times are MySQL's.

import { timingSafeEqual } from "node:crypto";
import { and, eq, isNull, sql } from "drizzle-orm";
import type { Database, Transaction } from "../db/client.ts";
import { limits } from "../limits.ts";
import { factsOf, type UserFacts } from "../users/service.ts";
import { users } from "../users/table.ts";
import type { Revocations } from "./revocations.ts";
import { refreshTokens } from "./table.ts";
import type { Tokens, TokenUser } from "./token.ts";

/** What a client needs to go on. The times are exact to the second. */
export interface TokenPair {
  readonly accessToken: string;
  readonly accessTokenExpiresAt: Date;
  readonly refreshToken: string;
  readonly refreshTokenExpiresAt: Date;
}

type Rotation =
  | { kind: "ok"; pair: TokenPair; user: UserFacts }
  /** It was used before; the session is over. */
  | { kind: "reused" }
  /** The session was over: logged out, its password changed, its user disabled. */
  | { kind: "ended" }
  /** No refresh token of this service, or one whose time is up. */
  | { kind: "invalid" };

export interface Sessions {
  /** Begins one for a user whose password was right; undefined when the user's tokens were ended since. */
  begin(user: TokenUser): Promise<TokenPair | undefined>;
  /** Uses up a refresh token. Throws when MySQL, or for a reused one Redis, is away: then nothing is certain. */
  rotate(refreshToken: string): Promise<Rotation>;
  /** Ends a session with all its tokens, everywhere. Throws when MySQL or Redis is away. */
  end(sessionId: string): Promise<void>;
}

interface Deps {
  db: Database;
  jwtSecret: string;
  tokens: Pick<Tokens, "issueFor">;
  revocations: Pick<Revocations, "revoke">;
}

type Row = Omit<typeof refreshTokens.$inferSelect, "id">;

const TOKEN = /^dbr_([\da-f-]{36})_([1-9]\d{0,8})_([\w-]{43})$/;

const issuedNow = sql<Date>`UTC_TIMESTAMP(3)`.mapWith(refreshTokens.issuedAt);

export function createSessions({ db, jwtSecret, tokens, revocations }: Deps): Sessions {
  const key = new Bun.CryptoHasher("sha256", jwtSecret)
    .update("doorbuster refresh tokens")
    .digest();
  const keyed = new Bun.CryptoHasher("sha256", key);

  const tokenOf = (family: string, generation: number): string => {
    const mac = keyed.copy().update(`${family}.${generation}`).digest("base64url");
    return `dbr_${family}_${generation}_${mac}`;
  };

  function placeOf(token: string): { family: string; generation: number } | undefined {
    const [, family, digits] = TOKEN.exec(token) ?? [];
    if (family === undefined) return undefined;
    const generation = Number(digits);
    const expected = Buffer.from(tokenOf(family, generation));
    const given = Buffer.from(token);
    const ours = given.length === expected.length && timingSafeEqual(given, expected);
    return ours ? { family, generation } : undefined;
  }

  async function pairOf(user: TokenUser, row: Row): Promise<TokenPair> {
    const { family, generation, accessTokenId, expiresAt } = row;
    const issuedAt = Math.floor(row.issuedAt.getTime() / 1_000);
    const session = { id: family, tokenId: accessTokenId, issuedAt };
    return {
      accessToken: await tokens.issueFor(user, session),
      accessTokenExpiresAt: new Date((issuedAt + limits.sessionTokenSeconds) * 1_000),
      refreshToken: tokenOf(family, generation),
      refreshTokenExpiresAt: expiresAt,
    };
  }

  /** Refuses the access tokens of a session, of all its generations, for as long as the newest lives. */
  const refuseTokens = (family: string, issuedAt: Date): Promise<void> =>
    revocations.revoke(family, issuedAt.getTime() / 1_000 + limits.sessionTokenSeconds);

  return {
    async begin(user) {
      const row = await db.transaction((transaction) => insertSession(transaction, user));
      return row && pairOf(user, row);
    },

    async rotate(refreshToken) {
      const place = placeOf(refreshToken);
      if (place === undefined) return { kind: "invalid" };
      const turn = await db.transaction((transaction) => takeTurn(transaction, place));
      switch (turn.kind) {
        case "ok":
          return { kind: "ok", user: turn.user, pair: await pairOf(turn.user, turn.row) };
        case "reused":
          await refuseTokens(place.family, turn.issuedAt);
          return { kind: "reused" };
        default:
          return turn;
      }
    },

    async end(sessionId) {
      await db.update(refreshTokens).set(revoked).where(notYetRevoked(sessionId));
      const [row] = await db
        .select({ issuedAt: refreshTokens.issuedAt })
        .from(refreshTokens)
        .where(eq(refreshTokens.family, sessionId));
      if (row) await refuseTokens(sessionId, row.issuedAt);
    },
  };
}

const notYetRevoked = (family: string) =>
  and(eq(refreshTokens.family, family), isNull(refreshTokens.revokedAt));

// Kept for a day, so that whoever comes with one of its tokens is told what happened to it.
const revoked = {
  revokedAt: sql`UTC_TIMESTAMP(3)`,
  expiresAt: sql`LEAST(${refreshTokens.expiresAt}, UTC_TIMESTAMP(3) + INTERVAL 1 DAY)`,
};

/** The user's row, locked until the transaction ends. */
async function lockUser(transaction: Transaction, userId: number) {
  const [row] = await transaction
    .select({ user: users, issuedNow })
    .from(users)
    .where(eq(users.id, userId))
    .for("update");
  return row;
}

async function insertSession(transaction: Transaction, user: TokenUser): Promise<Row | undefined> {
  const found = await lockUser(transaction, user.id);
  const since = found?.user.tokensValidFrom?.getTime() ?? 0;
  // The password that was right may have been changed while it was being checked.
  if (!found || found.user.disabledAt || since !== (user.since ?? 0)) return undefined;
  const row = {
    ...{ family: crypto.randomUUID(), generation: 1, userId: user.id, revokedAt: null },
    ...{ since: found.user.tokensValidFrom, accessTokenId: crypto.randomUUID() },
    issuedAt: found.issuedNow,
    expiresAt: new Date(found.issuedNow.getTime() + limits.sessionSeconds * 1_000),
  };
  await transaction.insert(refreshTokens).values(row);
  return row;
}

type Turn =
  | { kind: "ok"; user: UserFacts & { since: number }; row: Row }
  | { kind: "reused"; issuedAt: Date }
  | { kind: "ended" | "invalid" };

/** Decides what a genuine refresh token is worth, and renews the session's row if it is the newest. */
async function takeTurn(
  transaction: Transaction,
  { family, generation }: { family: string; generation: number },
): Promise<Turn> {
  const where = eq(refreshTokens.family, family);
  const [owner] = await transaction
    .select({ userId: refreshTokens.userId })
    .from(refreshTokens)
    .where(where);
  const locked = owner && (await lockUser(transaction, owner.userId));
  if (!locked) return { kind: "invalid" };
  const graceMs = sql.raw(String(limits.refreshGraceMs * 1_000));
  const [session] = await transaction
    .select({
      row: refreshTokens,
      expired: sql<number>`${refreshTokens.expiresAt} <= UTC_TIMESTAMP(3)`,
      // Near on both sides: a clock that was set back must not make the grace any longer.
      fresh: sql<number>`${refreshTokens.issuedAt} BETWEEN UTC_TIMESTAMP(3) - INTERVAL ${graceMs} MICROSECOND
        AND UTC_TIMESTAMP(3) + INTERVAL ${graceMs} MICROSECOND`,
    })
    .from(refreshTokens)
    .where(where);
  if (!session || generation > session.row.generation) return { kind: "invalid" };
  const { row, expired, fresh } = session;
  if (expired) return { kind: "invalid" };
  const { user } = locked;
  const since = user.tokensValidFrom?.getTime() ?? 0;
  const over = row.revokedAt || user.disabledAt || (row.since?.getTime() ?? 0) !== since;
  const who = { ...factsOf(user), since };
  const renewed = row.generation - generation;
  if (renewed === 0 && !over) {
    const next = { generation: generation + 1, accessTokenId: crypto.randomUUID() };
    const change = { ...next, issuedAt: locked.issuedNow };
    const [result] = await transaction
      .update(refreshTokens)
      .set(change)
      .where(notYetRevoked(family));
    if (result.affectedRows === 0) return { kind: "ended" };
    return { kind: "ok", user: who, row: { ...row, ...change } };
  }
  if (renewed === 1 && fresh && !over) return { kind: "ok", user: who, row };
  if (renewed === 0) return { kind: "ended" };
  await transaction.update(refreshTokens).set(revoked).where(notYetRevoked(family));
  return { kind: "reused", issuedAt: row.issuedAt };
}

// Access tokens: JSON Web Tokens, HS256, in the public format that the README gives. They are issued with
// hono/jwt and verified here, because a verification is part of every grab and hono's asynchronous one costs
// more than all the rest of a grab. Nothing about a token is remembered between requests except revocations:
// a token that was never seen before costs the same as one seen a second ago.
//
// Verification decides in this order: form, algorithm, signature, claims, time, revocation. Nothing inside
// the token chooses how it is verified: the algorithm is fixed, and `kid`, `jku` and the like are not read.

import { sign } from "hono/jwt";
import type { Clock } from "../clock.ts";
import { limits } from "../limits.ts";
import { decodePart, decodePayload } from "./payload.ts";

export type Kind = "customer" | "seller" | "saler" | "admin";

/** True for the kinds that may create sales; the two spellings mean the same. */
export const isSeller = (kind: Kind): boolean => kind === "seller" || kind === "saler";

/** True for what anybody may register as; an admin is made by the operator. */
export const isOpenKind = (value: unknown): value is Exclude<Kind, "admin"> =>
  value === "customer" || value === "seller" || value === "saler";

export const isKind = (value: unknown): value is Kind => isOpenKind(value) || value === "admin";

/** What a valid token says. `expiresAt` is in seconds since the epoch. */
export interface Claims {
  userId: string;
  username: string;
  kind: Kind;
  tokenId: string;
  expiresAt: number;
  /** The session of /v1 that it belongs to; a token of the classic API has none. */
  sessionId: string | undefined;
  /** `TokenUser.since` when it was issued; 0 where it does not say. */
  since: number;
}

/** Whom a token is made for. */
export interface TokenUser {
  id: number;
  username: string;
  kind: Kind;
  /**
   * Which of the user's tokens it is: when all before were ended, in milliseconds; 0 when they never were (the default). It is
   * compared with itself only, so clocks that differ do not matter.
   */
  since?: number;
}

/** A session of /v1 at one rotation. */
export interface TokenSession {
  id: string;
  tokenId: string;
  /** Seconds since the epoch. */
  issuedAt: number;
}

export type TokenRefusal =
  | "missing"
  | "malformed"
  | "signature"
  | "claims"
  | "expired"
  | "early"
  | "revoked";

type TokenCheck = { ok: true; claims: Claims } | { ok: false; reason: TokenRefusal };

export interface Tokens {
  /** Makes a token of the classic API, valid for `limits.accessTokenSeconds` from now. */
  issue(user: TokenUser): Promise<string>;
  /**
   * Makes a session's token, valid for `limits.sessionTokenSeconds` from its `issuedAt`. The same arguments make
   * the same token.
   */
  issueFor(user: TokenUser, session: TokenSession): Promise<string>;
  /** Judges the value of an `Authorization` header: a raw token, or one behind `Bearer `. Never throws. */
  verify(header: string | null): TokenCheck;
}

const ISSUER = "doorbuster";
const USE = "access";
const SCHEME = "bearer ";
/** {"alg":"HS256","typ":"JWT"}, as nearly every library writes it. */
const USUAL_HEADER = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
const USER_ID = new RegExp(`^[1-9][0-9]{0,${limits.userIdDigitsMax - 1}}$`);

const refused = (reason: TokenRefusal): TokenCheck => Object.freeze({ ok: false, reason });
const MISSING = refused("missing");
const MALFORMED = refused("malformed");
const SIGNATURE = refused("signature");
const CLAIMS = refused("claims");
const EXPIRED = refused("expired");
const EARLY = refused("early");
const REVOKED = refused("revoked");

/** The token in the header's value, or undefined when the value has another form. */
function tokenIn(header: string): string | undefined {
  const token =
    header.charCodeAt(SCHEME.length - 1) === 32 &&
    header.slice(0, SCHEME.length).toLowerCase() === SCHEME
      ? header.slice(SCHEME.length).trim()
      : header;
  return token.length > limits.tokenBytesMax ? undefined : token;
}

/** Takes the same time wherever the texts differ. */
function sameText(left: string, right: string): boolean {
  if (left.length !== right.length) return false;
  let difference = 0;
  for (let at = 0; at < left.length; at++) difference |= left.charCodeAt(at) ^ right.charCodeAt(at);
  return difference === 0;
}

/** `now` is in seconds. */
function judge(payload: Record<string, unknown>, now: number): TokenCheck {
  const { sub, username, kind, use, iss, jti, exp, iat, nbf, sid, since = 0 } = payload;
  const ours =
    iss === ISSUER &&
    use === USE &&
    typeof sub === "string" &&
    USER_ID.test(sub) &&
    typeof username === "string" &&
    isKind(kind) &&
    typeof jti === "string" &&
    jti.length >= 1 &&
    jti.length <= limits.tokenIdCharsMax &&
    (sid === undefined || (typeof sid === "string" && sid.length <= limits.tokenIdCharsMax)) &&
    typeof since === "number" &&
    typeof exp === "number" &&
    Number.isFinite(exp) &&
    exp > 0 &&
    (iat === undefined || (typeof iat === "number" && Number.isFinite(iat))) &&
    (nbf === undefined || (typeof nbf === "number" && Number.isFinite(nbf)));
  if (!ours) return CLAIMS;
  if (exp <= now) return EXPIRED;
  // The hosts' clocks may differ: a token that another process has just issued is not early.
  if (iat !== undefined && iat > now + limits.clockSkewSeconds) return EARLY;
  if (nbf !== undefined && nbf > now) return EARLY;
  const claims: Claims = {
    userId: sub,
    username,
    kind,
    tokenId: jti,
    expiresAt: exp,
    sessionId: sid,
    since,
  };
  return { ok: true, claims };
}

/** `isRevoked` is asked last and must answer from memory. */
export function createTokens(
  secret: string,
  clock: Clock,
  isRevoked: (claims: Claims) => boolean,
): Tokens {
  const keyed = new Bun.CryptoHasher("sha256", secret);
  const make = (
    { id, username, kind, since = 0 }: TokenUser,
    claims: Record<string, string | number>,
  ) =>
    sign(
      {
        ...{ sub: String(id), username, kind, use: USE, iss: ISSUER, ...claims },
        ...(since > 0 ? { since } : {}),
      },
      secret,
      "HS256",
    );
  return {
    issue: (user) => {
      const iat = Math.floor(clock.now() / 1_000);
      return make(user, { jti: crypto.randomUUID(), iat, exp: iat + limits.accessTokenSeconds });
    },
    issueFor: (user, { id, tokenId, issuedAt: iat }) =>
      make(user, { jti: tokenId, sid: id, iat, exp: iat + limits.sessionTokenSeconds }),
    verify: (value) => {
      if (value === null || value === "") return MISSING;
      const token = tokenIn(value);
      if (token === undefined) return MALFORMED;
      const first = token.indexOf(".");
      const last = token.lastIndexOf(".");
      if (first < 1 || token.indexOf(".", first + 1) !== last) return MALFORMED;
      const headerText = token.slice(0, first);
      const payloadText = token.slice(first + 1, last);
      if (headerText !== USUAL_HEADER) {
        const header = decodePart(headerText);
        if (header === undefined) return MALFORMED;
        // An extension that must be understood (crit) is not, whatever it is.
        if (header.alg !== "HS256" || "crit" in header) return SIGNATURE;
      }
      const expected = keyed.copy().update(token.slice(0, last)).digest("base64url");
      const genuine = sameText(token.slice(last + 1), expected);
      const payload = decodePayload(payloadText);
      if (payload === undefined) return MALFORMED;
      if (!genuine) return SIGNATURE;
      const check = judge(payload, clock.now() / 1_000);
      return check.ok && isRevoked(check.claims) ? REVOKED : check;
    },
  };
}

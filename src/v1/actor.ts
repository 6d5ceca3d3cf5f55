// Who asks. On /v1 a token stands behind `Bearer`; a service shows its key in the same place.

import type { ServiceKeys } from "../auth/keys.ts";
import type { Tokens } from "../auth/token.ts";
import { Problem } from "../problem.ts";

export const ROLES = ["customer", "seller", "admin", "service"] as const;
export type Role = (typeof ROLES)[number];

/** `name` says in logs, histories and request keys who it was. */
export type Actor =
  | {
      readonly kind: "user";
      readonly userId: number;
      readonly username: string;
      readonly role: Exclude<Role, "service">;
      readonly name: string;
      readonly tokenId: string;
      /** Undefined for a token of the classic API. */
      readonly sessionId: string | undefined;
      /** Seconds since the epoch. */
      readonly expiresAt: number;
    }
  | {
      readonly kind: "key";
      readonly role: "service";
      readonly name: string;
    };

const SCHEME = "bearer ";
const KEY_PREFIX = "dbk_";

/** Whether an `Authorization` header shows a service's key, good or not. */
export const isKey = (header: string): boolean =>
  header.slice(SCHEME.length).trim().startsWith(KEY_PREFIX);

/** Who sent an `Authorization` header. Throws the 401 that says what is wrong with it. */
export async function actorOf(
  header: string | null,
  { tokens, keys }: { tokens: Pick<Tokens, "verify">; keys: ServiceKeys },
): Promise<Actor> {
  if (header === null || header.slice(0, SCHEME.length).toLowerCase() !== SCHEME)
    throw new Problem("unauthenticated");
  const credential = header.slice(SCHEME.length).trim();
  if (credential.startsWith(KEY_PREFIX)) {
    const keyId = await keys.find(credential);
    if (keyId === undefined) throw new Problem("invalid-token", { detail: "No such key." });
    return { kind: "key", role: "service", name: `key:${keyId}` };
  }
  const check = tokens.verify(header);
  if (!check.ok) throw new Problem(check.reason === "revoked" ? "token-revoked" : "invalid-token");
  const { userId, username, kind, tokenId, sessionId, expiresAt } = check.claims;
  return {
    kind: "user",
    userId: Number(userId),
    username,
    role: kind === "saler" ? "seller" : kind,
    name: `user:${userId}`,
    tokenId,
    sessionId,
    expiresAt,
  };
}

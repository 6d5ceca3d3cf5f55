// Ways to break accounts: sessions, and what ends them.

import { replace } from "./edits.ts";
import type { Mutant } from "./mutant.ts";

export const accountMutants: readonly Mutant[] = [
  {
    name: "reused-refresh-token-ends-nothing",
    what: "refuses a refresh token that was used before and leaves its session as it is",
    edits: [
      {
        path: "src/auth/refresh.ts",
        edit: replace(
          "  await transaction.update(refreshTokens).set(revoked).where(notYetRevoked(family));\n  return",
          "  return",
        ),
      },
    ],
    caughtBy: {
      file: "test/refresh.test.ts",
      title: "that is shown again later ends its session, for whoever holds the newest too",
    },
    quick: true,
  },
  {
    name: "reused-refresh-token-leaves-access-tokens",
    what: "ends the session of a reused refresh token, but not its access tokens",
    edits: [
      {
        path: "src/auth/refresh.ts",
        edit: replace("          await refuseTokens(place.family, turn.issuedAt);\n", ""),
      },
    ],
    caughtBy: {
      file: "test/refresh.test.ts",
      title: "that is shown again later ends its session, for whoever holds the newest too",
    },
  },
  {
    name: "grace-gives-another-pair",
    what: "answers a repeated refresh within the grace with another access token",
    edits: [
      {
        path: "src/auth/refresh.ts",
        edit: replace(
          'if (renewed === 1 && fresh && !over) return { kind: "ok", user: who, row };',
          `if (renewed === 1 && fresh && !over)
    return { kind: "ok", user: who, row: { ...row, accessTokenId: crypto.randomUUID() } };`,
        ),
      },
    ],
    caughtBy: {
      file: "test/refresh.test.ts",
      title: "whose answer was lost gives the same pair for five seconds, on any process",
    },
  },
  {
    name: "password-change-leaves-sessions",
    what: "changes the password and leaves the sessions and tokens of the user as they are",
    edits: [
      {
        path: "src/users/changes.ts",
        edit: replace("{ ...change, tokensValidFrom: nextInstant }", "{ ...change }"),
      },
    ],
    caughtBy: {
      file: "test/refresh.test.ts",
      title: "with all others of the user when the password changes, and a new one begins",
    },
  },
  {
    name: "password-change-leaves-access-tokens",
    what: "takes access tokens from before a change of the password until they run out",
    edits: [
      {
        path: "src/auth/validity.ts",
        edit: replace("endings.has(userId, since),", "(endings.has(userId, since) && false),"),
      },
    ],
    caughtBy: {
      file: "test/v1-password.test.ts",
      title:
        "ends all that was issued before, on both APIs and every process, and begins a session",
    },
  },
];

import { z } from "zod";
import type { Passwords } from "../auth/passwords.ts";
import { isKind, type Kind } from "../auth/token.ts";
import type { Levels } from "../cache/levels.ts";
import type { Database } from "../db/client.ts";
import { limits } from "../limits.ts";
import { foldName } from "./name.ts";
import { findRow, insertRow, type UserRow } from "./rows.ts";

/** What anyone may know of a user. */
export interface UserFacts {
  id: number;
  username: string;
  kind: Kind;
}

export type Registered =
  | { kind: "created"; user: UserFacts }
  | { kind: "taken" }
  /** Too many passwords wait to be hashed. */
  | { kind: "busy" };

type LogInOutcome =
  | { kind: "ok"; user: UserFacts; since: number }
  | { kind: "wrong_password"; user: UserFacts }
  | { kind: "unknown" }
  | { kind: "busy" };

export interface Users {
  /** Expects a name that `isAcceptableName` accepts. */
  register(input: { username: string; password: string; kind: Kind }): Promise<Registered>;
  /**
   * Takes the same time whether or not the user exists; one who was disabled does not. `since` is the one of
   * `TokenUser`, as it was when the password was read.
   */
  logIn(input: { username: string; password: string }): Promise<LogInOutcome>;
  /** By any spelling of the name; once warm without MySQL. */
  find(username: string): Promise<UserFacts | undefined>;
}

interface Deps {
  db: Database;
  levels: Pick<Levels, "lookup">;
  passwords: Passwords;
}

const factsSchema = z.object({
  id: z.number().int().positive(),
  username: z.string(),
  kind: z.enum(["customer", "seller", "saler", "admin"]),
});

// Folding may make a name shorter, but not by this much: longer text is nobody's name.
const NAME_UNITS_MAX = 8 * limits.usernameCharsMax;

function kindOf(text: string): Kind {
  if (!isKind(text)) throw new Error(`a user of the unknown kind ${text} is in the table`);
  return text;
}

/** What anyone may know of the user in a row. Throws when the row is of a kind that there is not. */
export const factsOf = (row: UserRow): UserFacts => ({
  id: row.id,
  username: row.username,
  kind: kindOf(row.kind),
});

export function createUsers({ db, levels, passwords }: Deps): Users {
  const known = levels.lookup<string, UserFacts>({
    kind: "user-name",
    entriesMax: limits.cacheUsersMax,
    load: async (folded) => {
      const found = await findRow(db, folded);
      return found && factsOf(found);
    },
    parse: (json) => factsSchema.parse(JSON.parse(json)),
  });

  return {
    register: async ({ username, password, kind }) => {
      const folded = foldName(username);
      // Saves the hash; the unique index decides.
      if ((await known.get(folded)) !== undefined) return { kind: "taken" };
      const hashed = await passwords.hash(password);
      if (hashed === "busy") return { kind: "busy" };
      const id = await insertRow(db, { username, kind, passwordHash: hashed.hash });
      if (id === "taken") return { kind: "taken" };
      await known.renew(folded);
      return { kind: "created", user: { id, username, kind } };
    },

    logIn: async ({ username, password }) => {
      const outcome = await passwords.matches(password, async () =>
        username.length > NAME_UNITS_MAX ? undefined : findRow(db, username),
      );
      if (outcome === "busy") return { kind: "busy" };
      const { owner, right } = outcome;
      if (owner === undefined || owner.disabledAt) return { kind: "unknown" };
      const user = factsOf(owner);
      if (!right) return { kind: "wrong_password", user };
      return { kind: "ok", user, since: owner.tokensValidFrom?.getTime() ?? 0 };
    },

    find: async (username) =>
      username.length > NAME_UNITS_MAX ? undefined : known.get(foldName(username)),
  };
}

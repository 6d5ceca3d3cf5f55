import { eq } from "drizzle-orm";
import { z } from "zod";
import type { Passwords } from "../auth/passwords.ts";
import { isKind, type Kind } from "../auth/token.ts";
import type { Levels } from "../cache/levels.ts";
import type { Database } from "../db/client.ts";
import { isDuplicate } from "../db/errors.ts";
import { limits } from "../limits.ts";
import { foldName, nameKeyOf } from "./name.ts";
import { users } from "./table.ts";

/** What anyone may know of a user. */
export interface UserFacts {
  id: number;
  username: string;
  kind: Kind;
}

type LogInOutcome =
  | { kind: "ok"; user: UserFacts; since: number }
  | { kind: "wrong_password"; user: UserFacts }
  | { kind: "unknown" }
  | { kind: "busy" };

export interface Users {
  /** Expects a name that `isAcceptableName` accepts. "busy": too many passwords wait to be hashed. */
  register(input: {
    username: string;
    password: string;
    kind: Kind;
  }): Promise<"created" | "taken" | "busy">;
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
export const factsOf = (row: typeof users.$inferSelect): UserFacts => ({
  id: row.id,
  username: row.username,
  kind: kindOf(row.kind),
});

export function createUsers({ db, levels, passwords }: Deps): Users {
  async function row(nameKey: string) {
    const [found] = await db.select().from(users).where(eq(users.nameKey, nameKey)).limit(1);
    return found && { ...found, facts: factsOf(found) };
  }

  const known = levels.lookup<string, UserFacts>({
    kind: "user-name",
    entriesMax: limits.cacheUsersMax,
    load: async (folded) => {
      const found = await row(nameKeyOf(folded));
      return found?.facts;
    },
    parse: (json) => factsSchema.parse(JSON.parse(json)),
  });

  return {
    register: async ({ username, password, kind }) => {
      const folded = foldName(username);
      // Saves the hash; the unique index decides.
      if ((await known.get(folded)) !== undefined) return "taken";
      const hashed = await passwords.hash(password);
      if (hashed === "busy") return "busy";
      try {
        await db
          .insert(users)
          .values({ username, nameKey: nameKeyOf(username), kind, passwordHash: hashed.hash });
        await known.renew(folded);
        return "created";
      } catch (error) {
        if (isDuplicate(error)) return "taken";
        throw error;
      }
    },

    logIn: async ({ username, password }) => {
      const outcome = await passwords.matches(password, async () =>
        username.length > NAME_UNITS_MAX ? undefined : row(nameKeyOf(username)),
      );
      if (outcome === "busy") return { kind: "busy" };
      const { owner, right } = outcome;
      if (owner === undefined || owner.disabledAt) return { kind: "unknown" };
      if (!right) return { kind: "wrong_password", user: owner.facts };
      return { kind: "ok", user: owner.facts, since: owner.tokensValidFrom?.getTime() ?? 0 };
    },

    find: async (username) =>
      username.length > NAME_UNITS_MAX ? undefined : known.get(foldName(username)),
  };
}

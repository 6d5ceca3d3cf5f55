// Accounts of /v1: registering, logging in, changing the password.

import { eq } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { setPassword } from "../users/changes.ts";
import { isAcceptableName } from "../users/name.ts";
import { factsOf, type Registered, type UserFacts, type Users } from "../users/service.ts";
import { users as usersTable } from "../users/table.ts";
import type { Endings } from "./endings.ts";
import { passwordProblem } from "./password-rules.ts";
import type { Passwords } from "./passwords.ts";
import type { Sessions, TokenPair } from "./refresh.ts";

/** A user with the first tokens of a new session. */
interface SignedIn {
  kind: "ok";
  user: UserFacts;
  pair: TokenPair;
}

/** Too many passwords wait to be hashed. */
interface Busy {
  kind: "busy";
}

/** What no schema can judge; at least one of the two is wrong. */
interface Unfit {
  kind: "unfit";
  /** The name that nobody can have, or the current password that is another one. */
  isWrong: boolean;
  /** What is wrong with the new password and what to do, as a sentence. */
  weakness: string | undefined;
}

interface Credentials {
  username: string;
  password: string;
}

export interface Accounts {
  register(input: Credentials & { role: "customer" | "seller" }): Promise<Registered | Unfit>;
  /** "wrong" for a wrong password, an unknown name and one that was disabled, in the same time. */
  logIn(input: Credentials): Promise<SignedIn | { kind: "wrong" } | Busy>;
  /** Ends all sessions and tokens of the user, those of the classic API too, and begins a new session. */
  changePassword(input: {
    userId: number;
    currentPassword: string;
    newPassword: string;
  }): Promise<SignedIn | Unfit | Busy>;
}

interface Deps {
  db: Database;
  users: Pick<Users, "register" | "logIn">;
  passwords: Passwords;
  sessions: Pick<Sessions, "begin">;
  endings: Pick<Endings, "announce">;
}

const WRONG = { kind: "wrong" } as const;
const WRONG_NOW = { kind: "unfit", isWrong: true, weakness: undefined } as const;
const BUSY = { kind: "busy" } as const;

export function createAccounts({ db, users, passwords, sessions, endings }: Deps): Accounts {
  /** Undefined when the password was right as it was read, and is not any more. */
  async function signIn(user: UserFacts, since: number): Promise<SignedIn | undefined> {
    const pair = await sessions.begin({ ...user, since });
    return pair && { kind: "ok", user, pair };
  }

  async function rowOf(userId: number) {
    const [row] = await db.select().from(usersTable).where(eq(usersTable.id, userId));
    return row;
  }

  return {
    register: async ({ username, password, role }) => {
      const isWrong = !isAcceptableName(username);
      const weakness = passwordProblem(password, username);
      if (isWrong || weakness !== undefined) return { kind: "unfit", isWrong, weakness };
      return users.register({ username, password, kind: role });
    },

    async logIn(credentials) {
      const outcome = await users.logIn(credentials);
      switch (outcome.kind) {
        case "busy":
          return BUSY;
        case "ok":
          return (await signIn(outcome.user, outcome.since)) ?? WRONG;
        default:
          return WRONG;
      }
    },

    async changePassword({ userId, currentPassword, newPassword }) {
      const check = await passwords.matches(currentPassword, () => rowOf(userId));
      if (check === "busy") return BUSY;
      const { owner, right } = check;
      if (!owner) return WRONG_NOW;
      const user = factsOf(owner);
      const weakness = passwordProblem(newPassword, user.username);
      if (!right || weakness !== undefined) return { kind: "unfit", isWrong: !right, weakness };
      const hashed = await passwords.hash(newPassword);
      if (hashed === "busy") return BUSY;
      const since = await setPassword(db, userId, hashed.hash, owner.passwordHash);
      // Somebody else has changed it meanwhile.
      if (since === undefined) return WRONG_NOW;
      await endings.announce(userId, since);
      return (await signIn(user, since)) ?? WRONG_NOW;
    },
  };
}

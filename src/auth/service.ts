// Accounts of /v1: registering, logging in, changing the password.

import { eq } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { setPassword } from "../users/changes.ts";
import { isAcceptableName } from "../users/name.ts";
import { factsOf, type UserFacts, type Users } from "../users/service.ts";
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

interface WeakPassword {
  kind: "weak_password";
  /** What is wrong and what to do, as a sentence. */
  detail: string;
}

interface Credentials {
  username: string;
  password: string;
}

export interface Accounts {
  register(
    input: Credentials & { role: "customer" | "seller" },
  ): Promise<
    { kind: "created"; user: UserFacts } | { kind: "bad_name" | "taken" } | WeakPassword | Busy
  >;
  /** "wrong" for a wrong password, an unknown name and one that was disabled, in the same time. */
  logIn(input: Credentials): Promise<SignedIn | { kind: "wrong" } | Busy>;
  /** Ends all sessions and tokens of the user, those of the classic API too, and begins a new session. */
  changePassword(input: {
    userId: number;
    currentPassword: string;
    newPassword: string;
  }): Promise<SignedIn | { kind: "wrong" } | WeakPassword | Busy>;
}

interface Deps {
  db: Database;
  users: Pick<Users, "register" | "logIn" | "find">;
  passwords: Passwords;
  sessions: Pick<Sessions, "begin">;
  endings: Pick<Endings, "announce">;
}

const WRONG = { kind: "wrong" } as const;
const BUSY = { kind: "busy" } as const;

export function createAccounts({ db, users, passwords, sessions, endings }: Deps): Accounts {
  async function signIn(user: UserFacts, since: number): Promise<SignedIn | typeof WRONG> {
    const pair = await sessions.begin({ ...user, since });
    // The password was right when it was read, and is not any more.
    return pair === undefined ? WRONG : { kind: "ok", user, pair };
  }

  async function rowOf(userId: number) {
    const [row] = await db.select().from(usersTable).where(eq(usersTable.id, userId));
    return row;
  }

  return {
    async register({ username, password, role }) {
      if (!isAcceptableName(username)) return { kind: "bad_name" };
      const detail = passwordProblem(password, username);
      if (detail !== undefined) return { kind: "weak_password", detail };
      const outcome = await users.register({ username, password, kind: role });
      if (outcome !== "created") return { kind: outcome };
      const user = await users.find(username);
      if (user === undefined) throw new Error("a user who has just registered is not there");
      return { kind: "created", user };
    },

    async logIn(credentials) {
      const outcome = await users.logIn(credentials);
      switch (outcome.kind) {
        case "busy":
          return BUSY;
        case "ok":
          return signIn(outcome.user, outcome.since);
        default:
          return WRONG;
      }
    },

    async changePassword({ userId, currentPassword, newPassword }) {
      const check = await passwords.matches(currentPassword, () => rowOf(userId));
      if (check === "busy") return BUSY;
      const { owner, right } = check;
      if (!owner || !right) return WRONG;
      const user = factsOf(owner);
      const detail = passwordProblem(newPassword, user.username);
      if (detail !== undefined) return { kind: "weak_password", detail };
      const hashed = await passwords.hash(newPassword);
      if (hashed === "busy") return BUSY;
      const since = await setPassword(db, userId, hashed.hash, owner.passwordHash);
      // Somebody else has changed it meanwhile.
      if (since === undefined) return WRONG;
      await endings.announce(userId, since);
      return signIn(user, since);
    },
  };
}

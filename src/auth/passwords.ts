import { limits } from "../limits.ts";
import { createTurns } from "../turns.ts";

// The least that OWASP recommends for argon2id: 19 MiB, two passes.
const ARGON = { algorithm: "argon2id", memoryCost: 19_456, timeCost: 2 } as const;

export interface Passwords {
  /** The argon2id hash in the PHC string format; "busy" when too many others wait. */
  hash(password: string): Promise<{ hash: string } | "busy">;
  /**
   * Whether the password belongs to the user whom `find` finds; "busy" when too many others wait. Nobody has
   * no password, and that takes the same time: how long a log-in lasts must not tell whether the user exists.
   * `find` is called when the turn has come, so that those who wait hold no connection to MySQL.
   */
  matches<Owner extends { passwordHash: string }>(
    password: string,
    find: () => Promise<Owner | undefined>,
  ): Promise<{ owner: Owner | undefined; right: boolean } | "busy">;
}

/**
 * Hashing takes a core and 19 MiB for tens of milliseconds, so only a few run at once: the rest wait, and
 * beyond a bound are turned away. A stampede to log in must not take the cores from the grabs.
 */
export function createPasswords(): Passwords {
  const turns = createTurns({
    atOnce: limits.passwordHashesAtOnce,
    waitersMax: limits.passwordWaitersMax,
    waitMsMax: limits.passwordWaitMsMax,
  });
  const nobodys = Bun.password.hash(crypto.randomUUID(), ARGON);
  return {
    hash: async (password) => {
      const turn = await turns.run(() => Bun.password.hash(password, ARGON));
      return turn === "busy" ? turn : { hash: turn.result };
    },
    matches: async (password, find) => {
      const turn = await turns.run(async () => {
        const owner = await find();
        const right = await Bun.password.verify(password, owner?.passwordHash ?? (await nobodys));
        return { owner, right: right && owner !== undefined };
      });
      return turn === "busy" ? turn : turn.result;
    },
  };
}

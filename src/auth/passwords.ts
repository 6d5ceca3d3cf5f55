import { limits } from "../limits.ts";
import { createTurns } from "./turns.ts";

// The least that OWASP recommends for argon2id: 19 MiB, two passes.
const ARGON = { algorithm: "argon2id", memoryCost: 19_456, timeCost: 2 } as const;

export interface Passwords {
  /** The argon2id hash in the PHC string format; "busy" when too many others wait. */
  hash(password: string): Promise<{ hash: string } | "busy">;
  /**
   * Whether the password belongs to the hash; "busy" when too many others wait. Without a hash the answer
   * is false and takes the same time: how long a log-in lasts must not tell whether the user exists.
   */
  matches(password: string, hash: string | undefined): Promise<boolean | "busy">;
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
    matches: async (password, hash) => {
      const against = hash ?? (await nobodys);
      const turn = await turns.run(() => Bun.password.verify(password, against));
      return turn === "busy" ? turn : turn.result && hash !== undefined;
    },
  };
}

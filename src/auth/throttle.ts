// How often one may try to log in and to register: two counts each, one per name and one per address,
// because guessing is either many passwords for one name or one password for many names. They are counted
// in Redis, so that more processes do not mean more guesses; without Redis nobody is let through uncounted.

import { limits } from "../limits.ts";
import type { Redis } from "../redis/client.ts";
import { rateKey } from "../redis/keys.ts";
import { foldName } from "../users/name.ts";

/** Who tries: the name as sent and the address from `countedAddress`. */
interface Attempt {
  name: string;
  address: string;
}

export interface Throttle {
  /** Counts a log-in. Seconds to wait before the next, 0 when this one may go on. Throws without Redis. */
  logIn(attempt: Attempt): Promise<number>;
  /** Counts a registration; as above. */
  register(attempt: Attempt): Promise<number>;
}

/** What is left of a window, rounded up, so that the answer does not tell when it began. */
const retryAfter = (leftMs: number): number => {
  const step = limits.rateRetryStepSeconds;
  return Math.max(1, Math.ceil(leftMs / 1_000 / step)) * step;
};

export function createThrottle(redis: Redis, enabled: boolean): Throttle {
  /** Counts one attempt in a fixed window that begins with the first. */
  async function count(action: string, subject: string, max: number): Promise<number> {
    const key = rateKey(action, subject);
    // The expiry is set with every count if it is missing: a count without one would lock out for ever.
    const replies = await redis
      .multi()
      .incr(key)
      .expire(key, limits.rateWindowSeconds, "NX")
      .pttl(key)
      .exec();
    const values = (replies ?? []).map(([error, value]) => {
      if (error) throw error;
      return Number(value);
    });
    const [attempts, , leftMs] = values;
    if (attempts === undefined || leftMs === undefined) throw new Error("the count was not made");
    return attempts > max ? retryAfter(leftMs) : 0;
  }

  const limiter =
    (action: string, perName: number, perAddress: number) =>
    async ({ name, address }: Attempt): Promise<number> => {
      if (!enabled) return 0;
      // The address first: whoever is beyond its bound must not use up the attempts of a name.
      return (
        (await count(`${action}:address`, address, perAddress)) ||
        (await count(`${action}:name`, foldName(name), perName))
      );
    };

  return {
    logIn: limiter("log-in", limits.loginsPerNamePerWindow, limits.loginsPerAddressPerWindow),
    register: limiter(
      "registration",
      limits.registrationsPerNamePerWindow,
      limits.registrationsPerAddressPerWindow,
    ),
  };
}

// Which tokens are good: the one place where what makes a token invalid comes together.

import type { Clock } from "../clock.ts";
import type { Database } from "../db/client.ts";
import type { Log } from "../log.ts";
import type { Redis } from "../redis/client.ts";
import { createEndings, type Endings } from "./endings.ts";
import { createRevocations, type Revocations } from "./revocations.ts";
import { createTokens, type Tokens } from "./token.ts";

export interface Validity {
  readonly tokens: Tokens;
  /** `loaded`: whether tokens can be judged at all. */
  readonly revocations: Pick<Revocations, "revoke" | "loaded">;
  readonly endings: Pick<Endings, "announce">;
  /** Resolves when tokens can be judged, however long the servers are away. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** `subscriber` is used for nothing but subscriptions. */
export function createValidity(deps: {
  jwtSecret: string;
  db: Database;
  redis: Redis;
  subscriber: Redis;
  clock: Clock;
  log: Log;
}): Validity {
  const revocations = createRevocations(deps);
  const endings = createEndings(deps);
  const tokens = createTokens(
    deps.jwtSecret,
    deps.clock,
    ({ tokenId, sessionId, userId, since }) =>
      revocations.has(tokenId) ||
      (sessionId !== undefined && revocations.has(sessionId)) ||
      endings.has(userId, since),
  );
  return {
    tokens,
    revocations: {
      revoke: (tokenId, expiresAt) => revocations.revoke(tokenId, expiresAt),
      loaded: () => revocations.loaded() && endings.loaded(),
    },
    endings,
    async start() {
      await Promise.all([revocations.start(), endings.start()]);
    },
    async stop() {
      await Promise.all([revocations.stop(), endings.stop()]);
    },
  };
}

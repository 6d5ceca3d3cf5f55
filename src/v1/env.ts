// What goes along with a request of /v1.

import type { Server } from "bun";
import type { Actor } from "./actor.ts";

export interface V1Env {
  /** `server` is the one that a request came in by, absent in tests. */
  Bindings: { server: Server<unknown> | undefined };
  Variables: {
    actor: Actor;
    /** What makes a POST with an Idempotency-Key one and the same however often it comes; null without a key. */
    requestKey: string | null;
  };
}

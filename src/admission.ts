// How many requests may be in hand at once. What comes beyond is refused at once, before anything is done for it.

import { limits } from "./limits.ts";

export interface Admission {
  /**
   * Counts a request in, unless there is no room or `isReady` says no; `bodies` is 1 for one with a body. Bodies
   * come as slowly as their senders like, and must leave room for grabs, which have none.
   */
  enter(bodies: 0 | 1): boolean;
  /** Counts it out again; once for each that was let in. */
  leave(bodies: 0 | 1): void;
}

export function createAdmission(isReady: () => boolean): Admission {
  let requests = 0;
  let withBodies = 0;
  return {
    enter(bodies) {
      if (
        requests >= limits.httpInFlightRequestsMax ||
        bodies * withBodies >= limits.httpInFlightBodiesMax ||
        !isReady()
      ) {
        return false;
      }
      requests++;
      withBodies += bodies;
      return true;
    },
    leave(bodies) {
      requests--;
      withBodies -= bodies;
    },
  };
}

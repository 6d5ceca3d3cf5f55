// Group reads: many requests, one round trip.
//
// A request that arrives while a read is in flight must not be given that read's answer: the read may
// have looked before something happened that the client already knows of (its own grab, answered by
// another process). So it waits for the next read, which starts after it arrived and is therefore as
// fresh as a read of its own. All that wait by then share that read, and equal requests share one place
// in it. Under load the groups grow by themselves; a single request is read at the end of its turn of the event loop.
//
// What waits is bounded well below the requests in flight at the HTTP edge: readers of a server that stands
// still must not take the places of grabs that do not need it. How long is bounded by the time limits of the
// clients that `run` uses: when a run fails, all that wait by then get its error, because they would
// ask the same server and, one run after the other, learn of its outage ever later.

import { limits } from "../limits.ts";
import { Overloaded } from "../overloaded.ts";

export interface GroupRead<Request, Result> {
  /** Resolves with the result of a read that started after this call. Overloaded: too many wait already. */
  read(request: Request): Promise<Result>;
}

interface Waiter<Request, Result> {
  readonly request: Request;
  readonly promise: Promise<Result>;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * `run` reads for at most `requestsMax` requests and returns their results in the same order; at most
 * `readsAtOnce` runs are in flight. Requests with the same identity are one request. When `run` throws,
 * each request of that run and each that waits gets the error.
 */
export function createGroupRead<Request, Result>(options: {
  requestsMax: number;
  readsAtOnce: number;
  identityOf: (request: Request) => unknown;
  run: (requests: readonly Request[]) => Promise<readonly Result[]>;
}): GroupRead<Request, Result> {
  const { requestsMax, readsAtOnce, identityOf, run } = options;
  const waiting = new Map<unknown, Waiter<Request, Result>>();
  let inFlight = 0;
  let scheduled = false;

  function takeWaiters(): Waiter<Request, Result>[] {
    const taken: Waiter<Request, Result>[] = [];
    for (const [identity, waiter] of waiting) {
      if (taken.length === requestsMax) break;
      waiting.delete(identity);
      taken.push(waiter);
    }
    return taken;
  }

  async function runFor(waiters: readonly Waiter<Request, Result>[]): Promise<void> {
    try {
      const results = await run(waiters.map(({ request }) => request));
      if (results.length !== waiters.length) throw new Error("a group read lost a request");
      waiters.forEach(({ resolve }, index) => {
        resolve(results[index] as Result);
      });
    } catch (error) {
      for (const { reject } of [...waiters, ...waiting.values()]) reject(error);
      waiting.clear();
    }
  }

  function startReads(): void {
    while (inFlight < readsAtOnce && waiting.size > 0) {
      inFlight += 1;
      void runFor(takeWaiters()).then(() => {
        inFlight -= 1;
        schedule();
      });
    }
  }

  function schedule(): void {
    if (scheduled || inFlight >= readsAtOnce) return;
    scheduled = true;
    // At the end of this turn of the event loop, so that all requests that were read in it share the read.
    setImmediate(() => {
      scheduled = false;
      startReads();
    });
  }

  return {
    read(request) {
      const identity = identityOf(request);
      const twin = waiting.get(identity);
      if (twin) return twin.promise;
      if (waiting.size >= limits.groupReadWaitersMax) {
        return Promise.reject(new Overloaded("too many reads wait"));
      }
      const waiter = { request, ...Promise.withResolvers<Result>() };
      waiting.set(identity, waiter);
      schedule();
      return waiter.promise;
    },
  };
}

// Hands a message to all who watch a sale, some at a time: thousands of writes in one go would keep every grab of this
// process waiting meanwhile. Who has not been reached when a newer message comes gets the newer one.

import { setImmediate as others } from "node:timers/promises";
import { limits } from "../limits.ts";
import type { EventClient } from "./client.ts";

export interface Audience {
  readonly clients: ReadonlySet<EventClient>;
  /** What all of them are to have. */
  readonly message: Uint8Array | undefined;
}

/** A stream that takes nothing any more is as good as left; the others are to have theirs. */
function give(client: EventClient, message: Uint8Array): void {
  try {
    client.send(message);
  } catch {
    client.leave();
  }
}

export class Delivery {
  readonly #due = new Set<Audience>();
  #running = false;

  /** Not everybody has the audience's message yet. */
  isUnderWay(audience: Audience): boolean {
    return this.#due.has(audience);
  }

  /** Gives the audience's message to those who do not have it. */
  start(audience: Audience): void {
    this.#due.add(audience);
    if (!this.#running) void this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    let written = 0;
    for (const audience of this.#due) {
      const first = audience.message;
      for (const client of audience.clients) {
        // Asked for again each time: it may have changed in a pause, and who came in since must not be set back.
        const { message } = audience;
        if (!message || client.given === message) continue;
        give(client, message);
        written += 1;
        if (written % limits.eventClientsPerSlice === 0) await others();
      }
      this.#due.delete(audience);
      // Behind the others it is gone through again, for those who had the first one already.
      if (audience.message !== first) this.#due.add(audience);
    }
    this.#running = false;
  }
}

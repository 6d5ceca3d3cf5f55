// The part of autocannon that the bench uses; it comes without types.

declare module "autocannon" {
  import type { EventEmitter } from "node:events";

  /** One connection. `responseMax` ends it, politely, once `reqsMade` has reached it. */
  export interface Client {
    reqsMade: number;
    responseMax: number | undefined;
    getRequestBuffer(): Buffer;
  }

  export interface Options {
    url: string;
    connections: number;
    /** Seconds. */
    duration: number;
    setupClient(client: Client): void;
  }

  /** Emits "response" with (client, status, bytes, milliseconds) and "reqError". */
  export default function autocannon(options: Options, done: () => void): EventEmitter;
}

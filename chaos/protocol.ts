// What the harness and the clients' process tell each other.

/** Given to the clients' process when it starts. */
export interface ClientsOrder {
  readonly seed: string;
  readonly secret: string;
  readonly seller: { readonly id: number; readonly username: string };
  /** Where each process of the service is reached. */
  readonly ports: readonly number[];
  readonly historyFile: string;
  /** For how long tokens must be good. */
  readonly seconds: number;
}

export type ToClients =
  | { readonly type: "window"; readonly fault: number | null }
  /** The faults are over: end the load, ask about everything that is not certain. */
  | { readonly type: "close" };

export type FromClients =
  /** The first sales are made and the load has begun. */
  | { readonly type: "begun" }
  | {
      readonly type: "progress";
      readonly attempts: number;
      /** By process: when the latest grab began that was won there. */
      readonly wonStartedAt: readonly number[];
    }
  | { readonly type: "closed" };

// What this process knows of the shards' gates. A gate that is open here has been tried by the ledger's
// thread: its epoch and scripts were accepted by Redis. Anything that means "this Redis may have lost
// something" closes it here at once and asks the thread to look; only the thread opens it again.

import { allShards } from "../redis/keys.ts";
import { isFence } from "../redis/script.ts";
import { type ShardScripts, shardScripts } from "./scripts.ts";

/** One opening of a shard's gate. */
export interface OpenGate {
  readonly epoch: number;
  readonly scripts: ShardScripts;
}

export class Gates {
  readonly #open: (OpenGate | undefined)[] = allShards.map(() => undefined);
  #allOpened: (() => void) | undefined;
  /** Resolves when every gate has been open once. */
  readonly opened = new Promise<void>((resolve) => {
    this.#allOpened = resolve;
  });
  readonly #pending = new Set(allShards);

  /** `onClosed` asks for a look at the shard; it is called once per opening. */
  constructor(readonly onClosed: (shard: number, reason: string) => void) {}

  /** The open gate of a shard, or undefined while it is closed. */
  at(shard: number): OpenGate | undefined {
    return this.#open[shard];
  }

  openCount(): number {
    return this.#open.filter(Boolean).length;
  }

  open(shard: number, epoch: number, incarnation: string): void {
    this.#open[shard] = { epoch, scripts: shardScripts(incarnation) };
    this.#pending.delete(shard);
    if (this.#pending.size === 0) this.#allOpened?.();
  }

  /** Closes `gate`; a later opening of the same shard stays: the report was about the one before. */
  close(shard: number, gate: OpenGate, reason: string): void {
    if (this.#open[shard] !== gate) return;
    this.#open[shard] = undefined;
    this.onClosed(shard, reason);
  }

  /** Closes `gate` if this error of Redis is a fence. */
  notice(shard: number, gate: OpenGate, error: unknown): void {
    if (isFence(error)) this.close(shard, gate, (error as Error).message);
  }
}

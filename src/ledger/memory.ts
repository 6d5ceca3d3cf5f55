// The grants that this process has confirmed lately, in a ring of fixed size. If Redis loses them before
// MySQL has them, recovery asks here (witness.ts).

import { limits } from "../limits.ts";
import { shardOf } from "../redis/keys.ts";
import type { WitnessedGrant } from "./protocol.ts";

export class ConfirmedGrants {
  readonly #ring: WitnessedGrant[] = [];
  #next = 0;

  add(grant: WitnessedGrant): void {
    this.#ring[this.#next] = grant;
    this.#next = (this.#next + 1) % limits.witnessGrantsMax;
  }

  ofShard(shard: number): WitnessedGrant[] {
    return this.#ring.filter((grant) => shardOf(grant.saleId) === shard);
  }
}

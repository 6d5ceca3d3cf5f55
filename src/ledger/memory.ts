// The grants that this process has confirmed lately, in a ring of fixed size. If Redis loses them before
// MySQL has them, recovery asks here (recovery/witness.ts). To tell somebody again what was granted is a confirmation as well:
// whoever granted it may be dead. Those are kept once each, so that somebody who asks without end displaces nothing.

import { LRUCache } from "lru-cache";
import { limits } from "../limits.ts";
import { shardOf } from "../redis/keys.ts";
import type { WitnessedGrant } from "./protocol.ts";

/** A grant as the grab queue tells of it; the slot counts from 1, the key hash is "" where there is none. */
export type ToldGrant = [
  saleId: number,
  grantNo: number,
  userId: string,
  userSlot: number,
  keyHash: string,
];

/** The same as recovery takes it. `now` is in milliseconds. */
export const witnessedGrant = (
  now: number,
  ...[saleId, grantNo, userId, userSlot, keyHash]: ToldGrant
): WitnessedGrant => ({
  ...{ saleId, grantNo, userId: Number(userId), userSlot, keyHash: keyHash || null },
  grantedAt: new Date(now),
});

export class ConfirmedGrants {
  readonly #ring: WitnessedGrant[] = [];
  #next = 0;
  readonly #repeated = new LRUCache<string, WitnessedGrant>({ max: limits.witnessRepeatsMax });

  add(grant: WitnessedGrant): void {
    this.#ring[this.#next] = grant;
    this.#next = (this.#next + 1) % limits.witnessGrantsMax;
  }

  addRepeated(grant: WitnessedGrant): void {
    this.#repeated.set(`${grant.saleId} ${grant.grantNo}`, grant);
  }

  ofShard(shard: number): WitnessedGrant[] {
    const found = new Map<string, WitnessedGrant>();
    for (const grant of [...this.#ring, ...this.#repeated.values()]) {
      const { saleId, grantNo, userId } = grant;
      if (shardOf(saleId) === shard) found.set(`${saleId} ${grantNo} ${userId}`, grant);
    }
    return [...found.values()];
  }
}

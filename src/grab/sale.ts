// What a grab must know of a sale before Redis decides about everything that changes.

import { limits } from "../limits.ts";

export interface GrabSale {
  readonly id: number;
  readonly userLimit: number;
  readonly codeKey: string;
  readonly grabsPerSecond: number | null;
  /** Milliseconds since the epoch. */
  readonly opensAt: number | null;
  readonly closesAt: number | null;
}

/** How many grabs a second one user may make at the sale. */
export const rateAt = ({ grabsPerSecond }: GrabSale): number =>
  grabsPerSecond ?? limits.grabsPerSecond;

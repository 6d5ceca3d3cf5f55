// What a grab must know of a sale before Redis decides about everything that changes.

export interface GrabSale {
  readonly id: number;
  readonly userLimit: number;
  readonly codeKey: string;
  readonly grabsPerSecond: number | null;
  /** Milliseconds since the epoch. */
  readonly opensAt: number | null;
  readonly closesAt: number | null;
}

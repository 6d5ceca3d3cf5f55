// What looks wrong with one sale and has to be looked at one by one.

import type { Claim } from "../grab/winners.ts";
import { limits } from "../limits.ts";

/** Numbers and winners under suspicion, bounded; of what does not fit only the count is kept. */
export class Suspects {
  readonly numbers = new Set<number>();
  /** What the winners said of them. */
  readonly claims: Claim[] = [];
  /** Users whose value in the winners hash cannot be read. */
  readonly unreadable = new Set<string>();
  /** How many more there are. */
  left = 0;

  add(number: number): void {
    this.addRange(number, number);
  }

  /** All numbers from `first` to `last`. */
  addRange(first: number, last: number): void {
    for (let number = first; number <= last; number += 1) {
      if (this.numbers.size >= limits.auditSuspectsMax) {
        this.left += last - number + 1;
        return;
      }
      this.numbers.add(number);
    }
  }

  addClaim(claim: Claim): void {
    this.add(claim.number);
    if (this.claims.length < limits.auditSuspectsMax) this.claims.push(claim);
  }

  addUnreadable(user: string): void {
    if (this.unreadable.size < limits.auditSuspectsMax) this.unreadable.add(user);
    else this.left += 1;
  }

  get empty(): boolean {
    return this.numbers.size === 0 && this.unreadable.size === 0;
  }
}

// Which sales are on, and who grabs what. A few large sales and many small ones; one that is sold out is replaced
// soon, so that there is always something to win, and is still asked for now and then.

import type { Random } from "./random.ts";

/** How many customers come to a sale at most; a prime, so that each stride visits all of them. */
const CUSTOMERS = 20_011;
/**
 * Each sale's customers begin so many further on: neighbours share customers, whose lists then have several
 * coupons, and in a long run nobody has more than fit on a page.
 */
const CUSTOMERS_LEFT_BEHIND = 700;
const LARGE_ON = 4;
const SMALL_ON = 8;
const OLD_KEPT = 40;
const REMEMBERED = 64;
/** A sold-out sale is left after so many refusals: by then every process answers them from memory. */
const REFUSALS_UNTIL_OLD = 60;

interface Sale {
  readonly name: string;
  readonly large: boolean;
  /** The lowest customer's number; all others are less than `CUSTOMERS` above it. */
  readonly lowest: number;
  readonly first: number;
  readonly stride: number;
  arrived: number;
  refusals: number;
  /** Customers who have won it or were left without an answer, the latest ones. */
  readonly winners: number[];
  readonly unsure: number[];
}

export interface NewSale {
  readonly name: string;
  readonly amount: number;
  readonly large: boolean;
}

export interface Choice {
  readonly sale: string;
  readonly customer: number;
}

function remember(list: number[], customer: number): void {
  list.push(customer);
  if (list.length > REMEMBERED) list.shift();
}

export class SaleBook {
  readonly #on = new Map<string, Sale>();
  readonly #old: Sale[] = [];
  #planned: NewSale[] = [];
  #names = 0;

  constructor(readonly random: Random) {
    for (let count = 0; count < LARGE_ON; count++) this.#plan(true);
    for (let count = 0; count < SMALL_ON; count++) this.#plan(false);
  }

  #plan(large: boolean): void {
    const amount = large ? this.random.integer(3_000, 16_000) : this.random.integer(1, 400);
    this.#planned.push({ name: `sale-${++this.#names}`, amount, large });
  }

  /** True once the first sales are all on. */
  get isFull(): boolean {
    return this.#on.size >= LARGE_ON + SMALL_ON;
  }

  /** A sale that has to be made; whoever takes it gives it back with `made` or `notMade`. */
  takePlanned(): NewSale | undefined {
    return this.#planned.shift();
  }

  made({ name, large }: NewSale): void {
    this.#on.set(name, {
      ...{ name, large, arrived: 0, refusals: 0, winners: [], unsure: [] },
      lowest: this.#names * CUSTOMERS_LEFT_BEHIND,
      first: this.random.integer(0, CUSTOMERS - 1),
      stride: this.random.integer(1, CUSTOMERS - 1),
    });
  }

  notMade(sale: NewSale): void {
    this.#planned.push(sale);
  }

  /** Undefined as long as nothing is on. */
  choose(random: Random): Choice | undefined {
    const on = [...this.#on.values()];
    const old = this.#old.length > 0 && random.chance(0.1);
    if (on.length === 0 && !old) return undefined;
    const sale = old ? random.pick(this.#old) : random.pick(on);
    return { sale: sale.name, customer: this.#customerOf(sale, random) };
  }

  #customerOf(sale: Sale, random: Random): number {
    const lot = random.next();
    if (lot < 0.15 && sale.winners.length > 0) return random.pick(sale.winners);
    if (lot < 0.4 && sale.unsure.length > 0) return random.pick(sale.unsure);
    if (lot < 0.5 || sale.arrived >= CUSTOMERS) {
      return sale.lowest + random.integer(0, CUSTOMERS - 1);
    }
    return sale.lowest + ((sale.first + sale.stride * sale.arrived++) % CUSTOMERS);
  }

  /** Tells what became of a grab. */
  note({ sale: name, customer }: Choice, result: "won" | "unsure" | "sold_out" | "other"): void {
    const sale = this.#on.get(name) ?? this.#old.find((one) => one.name === name);
    if (!sale) return;
    if (result === "won") remember(sale.winners, customer);
    if (result === "unsure") remember(sale.unsure, customer);
    if (result !== "sold_out" || ++sale.refusals !== REFUSALS_UNTIL_OLD) return;
    this.#on.delete(name);
    this.#old.push(sale);
    if (this.#old.length > OLD_KEPT) this.#old.shift();
    this.#plan(sale.large);
  }

  /** Everybody of whom the book remembers something, to be asked once more at the end. */
  remembered(): Choice[] {
    return [...this.#on.values(), ...this.#old].flatMap((sale) =>
      [...new Set([...sale.winners, ...sale.unsure])].map((customer) => ({
        ...{ sale: sale.name, customer },
      })),
    );
  }
}

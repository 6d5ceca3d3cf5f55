// The greatest few of the numbers seen so far. Numbers of one slot exclude each other: only the greatest of
// them counts.

export class Greatest {
  readonly #size: number;
  /** Descending. */
  readonly #values: number[] = [];
  readonly #slots = new Map<string, number>();

  /** Keeps at most `size` numbers. */
  constructor(size: number) {
    this.#size = size;
  }

  add(value: number, slot?: string): void {
    if (slot !== undefined) {
      const before = this.#slots.get(slot);
      if (before !== undefined && before >= value) return;
      this.#slots.set(slot, value);
      // The new one is greater, so what was pushed out for the old one need not come back.
      const at = before === undefined ? -1 : this.#values.indexOf(before);
      if (at >= 0) this.#values.splice(at, 1);
    }
    let at = this.#values.length;
    while (at > 0 && (this.#values[at - 1] ?? 0) < value) at -= 1;
    if (at >= this.#size) return;
    this.#values.splice(at, 0, value);
    if (this.#values.length > this.#size) this.#values.pop();
  }

  /** The sum of the greatest `count` of them. */
  sum(count: number): number {
    let sum = 0;
    for (let i = 0; i < count; i += 1) sum += this.#values[i] ?? 0;
    return sum;
  }
}

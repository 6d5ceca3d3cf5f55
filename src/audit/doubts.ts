// Two looks before anything is said. Data moves while it is compared, so what looks wrong is only a doubt; it
// becomes a finding when a second look, after a pause, says the same.

import { setTimeout as sleep } from "node:timers/promises";
import type { NumberFault } from "./inspect.ts";

/** How one look's fault is found again in the other. */
const nameOf = ({ kind, number, rule, text }: NumberFault): string =>
  `${kind} ${number ?? rule ?? text}`;

interface Doubt {
  readonly saleId: number;
  readonly names: ReadonlySet<string>;
  readonly look: () => Promise<NumberFault[]>;
}

export class Doubts {
  readonly #doubts: Doubt[] = [];

  /** Looks for the first time. */
  async add(saleId: number, look: () => Promise<NumberFault[]>): Promise<void> {
    const names = new Set((await look()).map(nameOf));
    if (names.size > 0) this.#doubts.push({ saleId, names, look });
  }

  /** Waits and looks again, once for all; gives what both looks have seen, by sale; nothing when it is stopped. */
  async confirmed(pauseMs: number, stopping?: AbortSignal): Promise<Map<number, NumberFault[]>> {
    const faults = new Map<number, NumberFault[]>();
    if (this.#doubts.length === 0) return faults;
    await sleep(pauseMs, undefined, { signal: stopping }).catch(() => undefined);
    if (stopping?.aborted) return faults;
    for (const { saleId, names, look } of this.#doubts) {
      const again = (await look()).filter((fault) => names.has(nameOf(fault)));
      if (again.length > 0) faults.set(saleId, [...(faults.get(saleId) ?? []), ...again]);
    }
    return faults;
  }
}

// How the levels were asked and what they had. Plain numbers: the hot path only adds.

import { KINDS, type Kind } from "./changes.ts";

const COUNTED = {
  memory: ["hit", "none", "miss"],
  redis: ["hit", "none", "miss", "away"],
  mysql: ["hit", "none", "failed"],
} as const;

export type KindCounts = {
  readonly [Level in keyof typeof COUNTED]: Record<(typeof COUNTED)[Level][number], number>;
};

const zeros = (): KindCounts => ({
  memory: { hit: 0, none: 0, miss: 0 },
  redis: { hit: 0, none: 0, miss: 0, away: 0 },
  mysql: { hit: 0, none: 0, failed: 0 },
});

export class CacheCounts {
  readonly #kinds = new Map<Kind, KindCounts>(KINDS.map((kind) => [kind, zeros()]));

  of(kind: Kind): KindCounts {
    return this.#kinds.get(kind) as KindCounts;
  }
}

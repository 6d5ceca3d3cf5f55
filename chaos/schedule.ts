// Which faults come, in which order, for how long: drawn from the seed alone, so that a seed that failed can be
// played again. When each begins also depends on how long the service takes to come back from the one before.

import { Random } from "./random.ts";

/** The parts of the system that a fault takes hold of; two faults at once never share one. */
type Part = "api" | "redis" | "mysql";

const LINKS = ["redis", "mysql", "clients"] as const;
export type LinkName = (typeof LINKS)[number];
const TOXICS = ["cut", "frozen", "slow", "sliced", "reset", "limited"] as const;
export type Toxic = (typeof TOXICS)[number];

interface Kind {
  readonly parts: readonly Part[];
  /** How long it lasts, in milliseconds. */
  readonly forMs: readonly [number, number];
  /** May come together with another one. */
  readonly pairs?: true;
}

const BRIEF = [300, 1_500] as const;
const MEDIUM = [500, 3_000] as const;
const ONCE = [300, 300] as const;

/** Every fault that takes no data away. Links are listed apart: they have a link and a toxic as well. */
const KINDS = {
  "api killed": { parts: ["api"], forMs: BRIEF, pairs: true },
  "api stopped": { parts: ["api"], forMs: MEDIUM, pairs: true },
  // Longer than a lease: the other process takes over what the stopped one held.
  "lease holder stopped": { parts: ["api"], forMs: [5_300, 6_000] },
  "apis restarted in turn": { parts: ["api"], forMs: ONCE },
  "redis killed": { parts: ["redis"], forMs: BRIEF, pairs: true },
  "redis stopped": { parts: ["redis"], forMs: MEDIUM, pairs: true },
  "redis paused": { parts: ["redis"], forMs: MEDIUM, pairs: true },
  // Takes hold of nothing, so that Redis can be killed in the middle of it.
  "redis rewrites its file": { parts: [], forMs: ONCE, pairs: true },
  "scripts flushed": { parts: ["redis"], forMs: ONCE, pairs: true },
  "mysql killed": { parts: ["mysql"], forMs: BRIEF, pairs: true },
  "mysql stopped": { parts: ["mysql"], forMs: MEDIUM, pairs: true },
  "mysql locked": { parts: ["mysql"], forMs: MEDIUM, pairs: true },
  "mysql read-only": { parts: ["mysql"], forMs: MEDIUM, pairs: true },
  "mysql connections killed": { parts: ["mysql"], forMs: ONCE, pairs: true },
  "everything killed": { parts: ["api", "redis", "mysql"], forMs: BRIEF },
  "disk full": { parts: ["redis", "mysql"], forMs: MEDIUM },
  "clock of api moved": { parts: ["api"], forMs: MEDIUM },
  "clock of redis moved": { parts: ["redis"], forMs: BRIEF },
  "clock of mysql moved": { parts: ["mysql"], forMs: BRIEF },
} satisfies Record<string, Kind>;

/** Those that take away what was promised to be kept: only on demand. */
const LOSSES = {
  "redis emptied": { parts: ["redis"], forMs: ONCE },
  "redis lost its tail": { parts: ["redis"], forMs: BRIEF },
} satisfies Record<string, Kind>;

export type PlainKind = keyof typeof KINDS | keyof typeof LOSSES;
export type FaultKind = PlainKind | "link";

export interface Fault {
  readonly kind: FaultKind;
  /** Which process of the service, or which one's links. */
  readonly api: number;
  readonly forMs: number;
  /** A number from 0 up to 1 for whatever else the fault has to choose. */
  readonly lot: number;
  readonly link?: LinkName;
  readonly toxic?: Toxic;
}

export interface Step {
  /** One, or two at once. */
  readonly faults: readonly Fault[];
  /** How long nothing is broken once the service has come back. */
  readonly calmMs: number;
}

export interface ScheduleOptions {
  readonly seed: string;
  readonly apis: number;
  readonly loss: boolean;
  /** What this machine cannot do. */
  readonly without: ReadonlySet<FaultKind>;
}

const LINKS_PER_ROUND = 6;
const PAIRS_PER_ROUND = 4;
const CALM_MS = [400, 1_500] as const;

const kindOf = (name: PlainKind): Kind => ({ ...KINDS, ...LOSSES })[name];

class Schedule {
  readonly #random: Random;
  readonly #names: readonly PlainKind[];

  constructor(readonly options: ScheduleOptions) {
    this.#random = new Random(options.seed, "schedule");
    const names = Object.keys({ ...KINDS, ...(options.loss ? LOSSES : {}) }) as PlainKind[];
    this.#names = names.filter((name) => !options.without.has(name));
  }

  #lots(): Pick<Fault, "api" | "lot"> {
    return { api: this.#random.integer(0, this.options.apis - 1), lot: this.#random.next() };
  }

  #plain(kind: PlainKind): Fault {
    const [least, most] = kindOf(kind).forMs;
    return { kind, ...this.#lots(), forMs: this.#random.integer(least, most) };
  }

  #link(): Fault {
    const [least, most] = MEDIUM;
    const [link, toxic] = [this.#random.pick(LINKS), this.#random.pick(TOXICS)];
    return { kind: "link", ...this.#lots(), forMs: this.#random.integer(least, most), link, toxic };
  }

  #pair(): readonly Fault[] {
    const pairing = this.#names.filter((name) => kindOf(name).pairs);
    const first = this.#random.pick(pairing);
    const taken = kindOf(first).parts;
    const fits = (name: PlainKind) =>
      name !== first && !kindOf(name).parts.some((part) => taken.includes(part));
    const fitting = pairing.filter(fits);
    const second = this.#random.chance(0.3)
      ? this.#link()
      : this.#plain(this.#random.pick(fitting));
    return [this.#plain(first), second];
  }

  /** Each kind once, some links and some pairs, in an order of their own. */
  round(): Step[] {
    const steps: (readonly Fault[])[] = this.#names.map((name) => [this.#plain(name)]);
    for (let count = 0; count < LINKS_PER_ROUND; count++) steps.push([this.#link()]);
    for (let count = 0; count < PAIRS_PER_ROUND; count++) steps.push(this.#pair());
    const [least, most] = CALM_MS;
    return this.#random
      .shuffle(steps)
      .map((faults) => ({ faults, calmMs: this.#random.integer(least, most) }));
  }
}

/** The faults of a seed, without end. */
export function* scheduleOf(options: ScheduleOptions): Generator<Step> {
  const schedule = new Schedule(options);
  for (;;) yield* schedule.round();
}

/** A fault in words, such as "redis link of api 1 slow (1.2 s)". */
function describe({ kind, api, forMs, link, toxic }: Fault): string {
  const name = kind === "link" ? `${link} link of api ${api} ${toxic}` : kind;
  const whose = /^(?:api |lease|clock of api)/.test(name) ? ` (api ${api})` : "";
  return `${name}${whose}, ${(forMs / 1_000).toFixed(1)} s`;
}

export const describeStep = ({ faults }: Step): string => faults.map(describe).join(" + ");

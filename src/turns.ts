/** How many may work at once, how many may wait for their turn, and for how long. */
export interface TurnBounds {
  readonly atOnce: number;
  readonly waitersMax: number;
  readonly waitMsMax: number;
}

export interface Turns {
  /** Runs `work` when its turn comes, first come first served; "busy" when that would be too late. */
  run<Result>(work: () => Promise<Result>): Promise<{ result: Result } | "busy">;
}

/** A queue in front of work that is so heavy that only a little of it may go on at once. */
export function createTurns({ atOnce, waitersMax, waitMsMax }: TurnBounds): Turns {
  let working = 0;
  const waiting: { admit: (admitted: boolean) => void; timer: Timer }[] = [];

  const take = (): Promise<boolean> => {
    if (working < atOnce) {
      working++;
      return Promise.resolve(true);
    }
    if (waiting.length >= waitersMax) return Promise.resolve(false);
    return new Promise((admit) => {
      const giveUp = () => {
        waiting.splice(waiting.indexOf(waiter), 1);
        admit(false);
      };
      const waiter = { admit, timer: setTimeout(giveUp, waitMsMax) };
      waiting.push(waiter);
    });
  };

  const give = () => {
    const next = waiting.shift();
    if (next === undefined) {
      working--;
      return;
    }
    // The turn is handed over, so the number of those who work stays the same.
    clearTimeout(next.timer);
    next.admit(true);
  };

  return {
    run: async (work) => {
      if (!(await take())) return "busy";
      try {
        return { result: await work() };
      } finally {
        give();
      }
    },
  };
}

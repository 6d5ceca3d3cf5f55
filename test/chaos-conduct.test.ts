// The checker of `bun run chaos` must also fail a run in which the service did not serve, come back or stay bounded,
// and one in which too little happened: each rule is shown one that does, beside one that is fine.

import { describe, expect, test } from "bun:test";
import { type Conduct, checkConduct } from "../chaos/conduct.ts";
import { Findings, type Rule } from "../chaos/findings.ts";

describe("the service's conduct", () => {
  const tally = (attempts: number, definite: number) => ({ attempts, definite, latencies: [] });
  const episode = { number: 1, text: "redis killed", kinds: ["redis killed"] };
  const samples = {
    ...{ memoryBytesMax: 1e8, streamEntriesMax: 100, streamEntriesLeft: 16, looks: 9 },
  };
  const fine: Conduct = {
    seconds: 1,
    folded: {
      ...{ outside: tally(400, 360), inside: tally(20, 0), closing: tally(10, 10) },
      answers: new Map([["grab 201 won", 5]]),
    },
    ran: {
      episodes: [{ ...episode, atSeconds: 1, lastedMs: 500, againMs: 900 }],
      ...{ samples, troubles: [] },
    },
    ledger: { deadLetters: 0, voids: 2, voidsReported: 2 },
  };
  const conduct = (changes: {
    seconds?: number;
    folded?: Partial<Conduct["folded"]>;
    ran?: Partial<Conduct["ran"]>;
    ledger?: Partial<Conduct["ledger"]>;
  }): Rule[] => {
    const findings = new Findings();
    checkConduct(
      {
        seconds: changes.seconds ?? fine.seconds,
        folded: { ...fine.folded, ...changes.folded },
        ran: { ...fine.ran, ...changes.ran },
        ledger: { ...fine.ledger, ...changes.ledger },
      },
      findings,
    );
    return findings.all().map(({ rule }) => rule);
  };

  test("is accepted when it serves, comes back, stays bounded and loses nothing", () => {
    expect(conduct({})).toEqual([]);
  });

  test("is refused when most attempts outside of faults have no definite answer", () => {
    expect(conduct({ folded: { outside: tally(400, 199) } })).toEqual(["available"]);
  });

  test("is refused when grants did not come again after a fault", () => {
    const episodes = [{ ...episode, atSeconds: 1, lastedMs: 500, againMs: undefined }];
    expect(conduct({ ran: { episodes } })).toEqual(["again"]);
  });

  test("is refused when repeats after the faults are not decided", () => {
    expect(conduct({ folded: { closing: tally(1_000, 990) } })).toEqual(["resolved"]);
  });

  test("is refused when a process ended by itself", () => {
    expect(conduct({ ran: { troubles: ["api 0 ended by itself"] } })).toEqual(["wellBehaved"]);
  });

  test.each([{ memoryBytesMax: 2e9 }, { streamEntriesMax: 60_000 }, { streamEntriesLeft: 500 }])(
    "is refused when something grows without end: %o",
    (grown) => {
      expect(conduct({ ran: { samples: { ...samples, ...grown } } })).toEqual(["bounded"]);
    },
  );

  test("is refused when something was left out of the ledger or burned in silence", () => {
    expect(conduct({ ledger: { deadLetters: 1 } })).toEqual(["deadLetters"]);
    expect(conduct({ ledger: { voidsReported: 1 } })).toEqual(["reported"]);
  });

  test("is refused when nothing happened", () => {
    const nothing = { outside: tally(0, 0), closing: tally(0, 0), answers: new Map() };
    expect(conduct({ folded: nothing })).toContain("happened");
    expect(conduct({ ran: { episodes: [] } })).toEqual(["happened"]);
    expect(conduct({ ran: { samples: { ...samples, looks: 0 } } })).toEqual(["happened"]);
  });

  test.each([
    [120, 20, 50_000],
    [30, 5, 12_500],
  ])(
    "is refused when %d s had fewer than %d faults or %d attempts",
    (seconds, faults, attempts) => {
      const happened = (faultCount: number, attemptCount: number) => {
        const one = { ...episode, atSeconds: 1, lastedMs: 500, againMs: 900 };
        // Two at once are two faults; the attempts at the end count as well.
        const pair = { ...one, kinds: ["redis killed", "mysql killed"] };
        const episodes = [pair, ...Array.from({ length: faultCount - 2 }, () => one)];
        const others = fine.folded.inside.attempts + fine.folded.closing.attempts;
        const outside = tally(attemptCount - others, attemptCount - others);
        return conduct({ seconds, folded: { outside }, ran: { episodes } });
      };
      expect(happened(faults, attempts)).toEqual([]);
      expect(happened(faults - 1, attempts)).toEqual(["happened"]);
      expect(happened(faults, attempts - 1)).toEqual(["happened"]);
    },
  );
});

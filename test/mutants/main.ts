// `bun run mutants`: breaks the product in every way that is listed here, one at a time, in a copy of the tree, and
// demands that the test that is named for it notices. A test that cannot fail proves nothing; this is what shows
// that the tests behind the promises can. Fails when a mutant survives, when an edit no longer applies, when a
// mutant does not even work, and when a test fails without any edit.

import { join } from "node:path";
import { runCommand } from "../../scripts/command.ts";
import { ROOT, say, type TestServers, withTestServers } from "../../scripts/servers.ts";
import { CannotStart } from "../../src/embedded/errors.ts";
import { copyTree, mutate } from "./copy.ts";
import { grabScriptMutants } from "./grab-script.ts";
import { mutants } from "./list.ts";
import type { Mutant } from "./mutant.ts";
import { type MutantOptions, readOptions } from "./options.ts";
import { runTests, type TestName, typeProblem } from "./run.ts";
import { ALIVE, faultOf, type Verdict, verdictOn } from "./verdict.ts";

/** The name of all edits of grab.lua, which run in one test file, each as a test that passes when it is caught. */
const GRAB_SCRIPT = "grab.lua";
const grabScriptTest = (what: string): TestName => ({
  file: "test/mutants.test.ts",
  title: `${what} is caught`,
});

interface Row {
  readonly name: string;
  readonly what: string;
  readonly caughtBy: TestName;
  readonly seconds: number;
  readonly verdict: Verdict;
}

const cell = (text: string): string => text.replaceAll(/\s+/g, " ").replaceAll("|", "\\|");

const show = ({ name, what, caughtBy, seconds, verdict }: Row): void =>
  say(
    `| ${name} | ${cell(what)} | ${caughtBy.file}: ${cell(caughtBy.title)} | ${seconds.toFixed(1)} | ${verdict.caught ? "caught" : cell(verdict.why)} |`,
  );

/** Runs all tests that are to catch something on the copy without any edit; returns what is wrong with it. */
async function faultsOf(
  copy: string,
  chosen: readonly Mutant[],
  servers: TestServers,
): Promise<string[]> {
  const faults: (string | undefined)[] = [await typeProblem(copy)];
  const byFile = Map.groupBy(
    [ALIVE, ...chosen.map(({ caughtBy }) => caughtBy)],
    ({ file }) => file,
  );
  for (const tests of byFile.values()) {
    faults.push(faultOf(tests, await runTests(copy, tests, servers)));
  }
  return faults.filter((fault) => fault !== undefined);
}

async function tryMutant(copy: string, mutant: Mutant, servers: TestServers): Promise<Verdict> {
  let undo: () => void;
  try {
    undo = mutate(copy, mutant.edits);
  } catch (error) {
    return { caught: false, why: `the edit does not apply: ${(error as Error).message}` };
  }
  try {
    const problem = await typeProblem(copy);
    if (problem) return { caught: false, why: `it does not compile: ${problem}` };
    const outcomes = await runTests(copy, [ALIVE, mutant.caughtBy], servers);
    return verdictOn(mutant.caughtBy, outcomes);
  } finally {
    undo();
  }
}

async function tryAll(
  servers: TestServers,
  { only, quick, verbose }: MutantOptions,
): Promise<number> {
  const chosen = mutants.filter((one) => (only ? one.name === only : !quick || one.quick));
  // With --quick they are left out: `npm test` runs them anyway.
  const withGrabScript = only ? only === GRAB_SCRIPT : !quick;
  if (chosen.length === 0 && !withGrabScript)
    throw new CannotStart(`There is no mutant ${only}; test/mutants/ has their names.`);
  const copy = join(servers.folder, "copy");
  copyTree(ROOT, copy);
  const faults = await faultsOf(copy, chosen, servers);
  for (const fault of faults) say(`The tree itself: ${fault}`);
  if (faults.length > 0) return 1;
  say("| mutant | what it does | caught by | seconds | result |\n|---|---|---|---|---|");
  const rows: Row[] = [];
  for (const mutant of chosen) {
    if (servers.stop.aborted) break;
    const startedAt = performance.now();
    const verdict = await tryMutant(copy, mutant, servers);
    const seconds = (performance.now() - startedAt) / 1_000;
    rows.push({ ...mutant, seconds, verdict });
    show(rows.at(-1) as Row);
    if (verbose && verdict.caught) say(`<!-- ${cell(verdict.by)} -->`);
  }
  if (withGrabScript) {
    for (const row of await tryGrabScript(copy, servers)) {
      rows.push(row);
      show(row);
    }
  }
  const caught = rows.filter(({ verdict }) => verdict.caught).length;
  say(
    `\n${caught} of ${rows.length} mutants caught${servers.stop.aborted ? ", then stopped" : ""}`,
  );
  return caught === rows.length && !servers.stop.aborted ? 0 : 1;
}

async function tryGrabScript(copy: string, servers: TestServers): Promise<Row[]> {
  const tests = grabScriptMutants.map(([what]) => grabScriptTest(what));
  const outcomes = (await runTests(copy, tests, servers)) ?? [];
  return grabScriptMutants.map(([what, , check], index) => {
    const found = outcomes.find(({ title }) => title === tests[index]?.title);
    const why = found ? (found.failure?.message ?? "") : "its test did not run";
    return {
      ...{ name: GRAB_SCRIPT, what, seconds: found?.seconds ?? 0 },
      caughtBy: { file: "test/grab-script.test.ts", title: check },
      verdict: why === "" ? { caught: true, by: check } : { caught: false, why },
    };
  });
}

await runCommand(() => {
  const options = readOptions(process.argv.slice(2));
  return options === "help" ? 0 : withTestServers((servers) => tryAll(servers, options));
});

// `bun run doorbuster <command>`: what operators ask of a service that runs. Each command is one file; it returns
// its exit code: 0 all is well, 1 there are findings, 2 it could not run.

import { Command, CommanderError } from "commander";
import { reasonOf } from "../db/errors.ts";
import { isOutage } from "../outage.ts";
import { addAudit } from "./audit.ts";
import { CannotRun, type Ending } from "./command.ts";
import { addCoupons } from "./coupons.ts";
import { addDoctor } from "./doctor.ts";
import { addKeys } from "./key.ts";
import { addResume } from "./resume.ts";
import { addUsers } from "./user.ts";

const COULD_NOT_RUN = 2;

let exitCode = 0;
/** Makes a command's exit code the program's. */
const ending: Ending = (run) => async (options) => {
  exitCode = await run(options);
};

const program = new Command("doorbuster")
  .description("Looks after a Doorbuster service.")
  .exitOverride()
  .showHelpAfterError();

addAudit(program, ending);
addResume(program, ending);
addDoctor(program, ending);
addCoupons(program, ending);
addUsers(program, ending);
addKeys(program, ending);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) exitCode = error.exitCode === 0 ? 0 : COULD_NOT_RUN;
  else {
    exitCode = COULD_NOT_RUN;
    console.error(reasonOf(error));
    // An outage and a wrong option have their sentence; anything else is a bug, and needs its place.
    const known = error instanceof CannotRun || isOutage(error);
    if (!known && error instanceof Error) console.error(error.stack);
  }
}
process.exit(exitCode);

// What a schema found, as the fields of a problem document.

import { z } from "@hono/zod-openapi";
import { limits } from "../limits.ts";
import { type FieldError, Problem } from "../problem.ts";

const escapeStep = (step: string): string => step.replaceAll("~", "~0").replaceAll("/", "~1");

type Issue = z.ZodError["issues"][number];

/** One for each field that is not right. */
function* placesOf(issues: readonly Issue[]): Generator<{ path: PropertyKey[]; detail: string }> {
  for (const { path, ...issue } of issues) {
    if (issue.code === "unrecognized_keys") {
      for (const key of issue.keys)
        yield { path: [...path, key], detail: "There is no such field." };
    } else {
      // JSON has no such thing: a number was written that no field takes.
      const isStrange = issue.code === "invalid_type" && issue.message.endsWith("received NaN");
      const detail = isStrange ? "Write a whole number, in digits only." : issue.message;
      yield { path, detail };
    }
  }
}

/** The 422 that lists what is wrong; `target` as validators of Hono call what they look at. */
export function wrongFields(error: z.ZodError, target: string): Problem {
  const errors: FieldError[] = [];
  for (const { path, detail } of placesOf(error.issues)) {
    if (errors.length === limits.wrongFieldsListedMax)
      return new Problem("validation", {
        detail: `The first ${errors.length} are listed.`,
        errors,
      });
    errors.push(
      target === "json"
        ? { pointer: path.map((step) => `/${escapeStep(String(step))}`).join(""), detail }
        : { parameter: path.join("."), detail },
    );
  }
  return new Problem("validation", { errors });
}

const NOTHING = z.strictObject({});

/** Throws the 422 for each field of `value`, where none is taken; `target` as above. */
export function takeNothing(value: unknown, target: "json" | "query"): void {
  const { error } = NOTHING.safeParse(value);
  if (error) throw wrongFields(error, target);
}

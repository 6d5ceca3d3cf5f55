// What a schema found, as the fields of a problem document.

import type { z } from "@hono/zod-openapi";
import type { FieldError } from "../problem.ts";

const escapeStep = (step: string): string => step.replaceAll("~", "~0").replaceAll("/", "~1");

/** One for each field that is not right; `target` as validators of Hono call what they look at. */
export function fieldErrors(error: z.ZodError, target: string): FieldError[] {
  return error.issues.flatMap((issue) => {
    const paths =
      issue.code === "unrecognized_keys"
        ? issue.keys.map((key) => [...issue.path, key])
        : [issue.path];
    const detail = issue.code === "unrecognized_keys" ? "There is no such field." : issue.message;
    return paths.map((path) =>
      target === "json"
        ? { pointer: path.map((step) => `/${escapeStep(String(step))}`).join(""), detail }
        : { parameter: path.join("."), detail },
    );
  });
}

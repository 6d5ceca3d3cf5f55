import type { FieldError } from "../problem.ts";

/** What an Idempotency-Key is. */
export const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;

/** What is wrong with one that is not. */
export const keyFault: FieldError = {
  parameter: "Idempotency-Key",
  detail: "An Idempotency-Key is 1 to 255 printable ASCII characters without spaces.",
};

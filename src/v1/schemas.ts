// Schemas and answers that routes of /v1 share.

import { z } from "@hono/zod-openapi";
import { type ProblemCode, refusals } from "../errors.ts";

/** An id in a path. */
export const idParam = z
  .string()
  .regex(/^[1-9]\d{0,14}$/, "Use an id: a whole number from 1 on.")
  .transform(Number)
  .openapi({ type: "integer", minimum: 1, maximum: 999_999_999_999_999, example: 42 });

export const idSchema = z.int().positive().openapi({ example: 42 });

/** Minor units of a currency, such as cents. */
export const amountSchema = (max: number) =>
  z.int().min(0).max(max).openapi({ description: "Minor units, such as cents.", example: 500 });

/** Those that the runtime knows; the document lists them. */
export const currencySchema = z
  .enum(Intl.supportedValuesOf("currency"), { error: "Use an ISO 4217 code such as CNY." })
  .openapi("Currency", { description: "ISO 4217.", example: "CNY" });

/** What MySQL's DATETIME holds for certain; a zone can take a time of these years out of them. */
const isStorable = (at: Date): boolean =>
  at.getUTCFullYear() >= 1_000 && at.getUTCFullYear() <= 9_999;

/** RFC 3339, with a zone; becomes a Date. */
export const instantSchema = z.iso
  .datetime({
    offset: true,
    error: "Use an RFC 3339 time with a zone, such as 2027-01-01T20:00:00.000Z.",
  })
  .transform((text) => new Date(text))
  .refine(isStorable, "Use a time of the years 1000 to 9999 in UTC.")
  // Without a type: one that is named here would hide that a field may be null as well.
  .openapi({ example: "2027-01-01T20:00:00.000Z" });

/** A time in an answer. */
export const timeSchema = z.iso.datetime().openapi({ example: "2027-01-01T20:00:00.000Z" });

const problemSchema = z
  .looseObject({
    type: z.string().openapi({ example: "/problems/not-found" }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string(),
    code: z.string().openapi({ example: "not_found" }),
    errors: z
      .array(
        z.object({
          pointer: z.string().optional(),
          parameter: z.string().optional(),
          detail: z.string(),
        }),
      )
      .optional(),
  })
  .openapi("Problem", { description: "RFC 9457. `type` is served by this service." });

/** A body in a route's `request`. */
export const jsonBody = <Schema extends z.ZodType>(schema: Schema) => ({
  body: { required: true, content: { "application/json": { schema } } },
});

/** Headers of answers, for a route's `responses`. */
const text = { type: "string" } as const;
export const ETAG = {
  ETag: { required: true, description: "The version, for If-Match.", schema: text },
} as const;
export const LOCATION = {
  Location: { required: true, description: "Where it is.", schema: text },
} as const;
const retryAfter = (required: boolean) => ({
  "Retry-After": { required, description: "Seconds.", schema: { type: "integer" as const } },
});

/** A body in a route's `responses`. */
export const jsonAnswer = <Schema extends z.ZodType>(schema: Schema, description: string) => ({
  description,
  content: { "application/json": { schema } },
});

type Headers = Readonly<Record<string, object>>;

/**
 * The refusals of a route, for its `responses`. They are documented; a typed client sees what succeeds, and asks
 * `response.ok` first.
 */
export const refusalsOf = (...codes: ProblemCode[]): Record<never, never> =>
  refusalsWith({}, ...codes);

/** The same for refusals that may have these headers. */
export function refusalsWith(more: Headers, ...codes: ProblemCode[]): Record<never, never> {
  const byStatus = Map.groupBy(new Set(codes), (code) => refusals[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, ofStatus]) => {
      const headers = {
        ...more,
        ...(status === 429 || status === 503 ? retryAfter(true) : {}),
        ...(ofStatus.includes("idempotency-in-progress") ? retryAfter(false) : {}),
      };
      return [
        status,
        {
          description: ofStatus.map((code) => `${refusals[code].title} (\`${code}\`).`).join(" "),
          ...(Object.keys(headers).length > 0 ? { headers } : {}),
          content: { "application/problem+json": { schema: problemSchema } },
        },
      ];
    }),
  );
}

/** What any route for signed-in users may refuse. */
export const SIGNED_IN = [
  "unauthenticated",
  "invalid-token",
  "token-revoked",
  "forbidden",
] as const;

/** What any route with a body may refuse. */
export const WITH_BODY = [
  "malformed-json",
  "payload-too-large",
  "unsupported-media-type",
  "validation",
] as const;

/** What a POST with an Idempotency-Key may refuse besides; also one that needs no body looks at what comes. */
export const ONCE = [
  "malformed-json",
  "payload-too-large",
  "unsupported-media-type",
  "validation",
  "idempotency-key-reused",
  "idempotency-in-progress",
] as const;

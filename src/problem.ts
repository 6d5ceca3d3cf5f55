// Refusals as RFC 9457 problem documents. Nothing of an error but its place in the table of errors.ts, and what the
// code that refuses says of it, ever reaches a client.

import { type ProblemCode, refusals } from "./errors.ts";

/** One field of a request that is not right. */
export interface FieldError {
  /** RFC 6901, for a field of the body. */
  readonly pointer?: string;
  /** For a query parameter or a header. */
  readonly parameter?: string;
  readonly detail: string;
}

interface Particulars {
  /** What is so this time, in a sentence. */
  readonly detail?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly errors?: readonly FieldError[];
  /** Further members of the document, such as `opensAt`. */
  readonly [member: string]: unknown;
}

const SAFE = { "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store" };

/** A refusal as an answer. `instance` names this one request; the log has it where there is more to know. */
export function problemResponse(
  code: ProblemCode,
  { detail, headers, ...members }: Particulars = {},
  instance: string = crypto.randomUUID(),
): Response {
  const { status, title, help } = refusals[code];
  const document = {
    ...{ type: `/problems/${code}`, title, status, detail: detail ?? help },
    ...{ instance: `/requests/${instance}`, code: code.replaceAll("-", "_") },
    ...members,
  };
  return new Response(JSON.stringify(document), {
    status,
    headers: {
      ...SAFE,
      "Content-Type": "application/problem+json",
      ...(status === 401 ? { "WWW-Authenticate": "Bearer" } : {}),
      ...(status === 503 ? { "Retry-After": "1" } : {}),
      ...headers,
    },
  });
}

/** Ends a request of /v1 with a refusal; thrown by routes, which is where outcomes become answers. */
export class Problem extends Error {
  override readonly name = "Problem";

  constructor(
    readonly code: ProblemCode,
    readonly particulars: Particulars = {},
  ) {
    super(code);
  }
}

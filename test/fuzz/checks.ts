// The six checks that every answer must pass.

import type { Operation } from "./document.ts";
import { leaksIn } from "./leaks.ts";
import { type FuzzAnswer, type FuzzRequest, THROWAWAY } from "./request.ts";
import { faultsOf } from "./validate.ts";

export const CHECKS = ["status", "sound", "problem", "schema", "header", "secret"] as const;
export type Check = (typeof CHECKS)[number];

export interface Finding {
  readonly check: Check;
  readonly why: string;
}

export interface Judge {
  /** True when the service explains a problem's `type`. */
  explains(type: string): Promise<boolean>;
  readonly secrets: readonly string[];
}

const PROBLEM = "application/problem+json";

const typeOf = ({ headers }: FuzzAnswer): string =>
  (headers.get("content-type") ?? "").split(";")[0]?.trim() ?? "";

function jsonOf({ text }: FuzzAnswer): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The status is documented, a request that is wrong by the document is refused, a repeated one answered the same. */
function* statusFaults(request: FuzzRequest, answer: FuzzAnswer): Generator<string> {
  const { operation, method, broken } = request;
  const { status } = answer;
  if (method !== operation.method) {
    if (status !== 405) yield `${status} to a method that the path does not have`;
    const allow = (answer.headers.get("allow") ?? "").split(", ");
    const missing = operation.methods.filter((one) => !allow.includes(one));
    if (missing.length > 0) yield `Allow does not name ${missing.join(", ")}`;
    return;
  }
  if (!operation.answers.has(status)) yield `${status} is not documented`;
  const { refusedWith, repeats } = broken ?? {};
  // Roles are no part of the document: whoever may not ask at all is told so first, and so is whose session is over.
  const isOver = status === 401 && request.asker.name === THROWAWAY;
  // A name that is none is not found before anything is looked at; which are none the document does not say.
  const names = operation.parameters.filter((one) => one.in === "path");
  const isNone = status === 404 && names.some(({ schema }) => schema.type !== "integer");
  const isElse = status === 403 || isOver || isNone;
  if (refusedWith && !isElse && !refusedWith.includes(status))
    yield `${status} instead of ${refusedWith.join(" or ")}`;
  if (repeats && (repeats.status !== status || repeats.text !== answer.text))
    yield `the repeat gets ${status}, the first got ${repeats.status} ${repeats.text}`;
  if (repeats && answer.headers.get("idempotent-replayed") !== "true")
    yield "the repeat is not marked as one";
}

/** Whether an error is of what was broken, or of something inside it. */
const isOf = (named: string, broken: string): boolean =>
  named === broken || named.startsWith(`${broken}/`);

interface NamedFields {
  errors?: { pointer?: string; parameter?: string }[];
}

/** Whether the errors of a 422 name what was broken. */
function namingFault({ broken }: FuzzRequest, { errors = [] }: NamedFields): string | undefined {
  if (errors.length === 0) return "the 422 names no field";
  if (!broken?.refusedWith) return undefined;
  const { pointer, parameter } = broken;
  const named =
    pointer === undefined
      ? parameter === undefined ||
        errors.some((one) => one.parameter?.toLowerCase() === parameter.toLowerCase())
      : errors.some((one) => one.pointer !== undefined && isOf(one.pointer, pointer));
  return named ? undefined : `the 422 does not name ${pointer ?? parameter}`;
}

/** A refusal is a problem document that the service explains. */
async function* problemFaults(
  request: FuzzRequest,
  answer: FuzzAnswer,
  judge: Judge,
): AsyncGenerator<string> {
  const type = typeOf(answer);
  if (type !== PROBLEM) {
    yield `a refusal of the type ${type || "nothing"}`;
    return;
  }
  const problem = jsonOf(answer) as
    | ({ type?: unknown; status?: unknown } & NamedFields)
    | undefined;
  if (typeof problem !== "object" || problem === null) {
    yield "a problem that is no JSON object";
    return;
  }
  if (problem.status !== answer.status) yield `the status within is ${String(problem.status)}`;
  if (typeof problem.type !== "string" || !(await judge.explains(problem.type)))
    yield `the type ${String(problem.type)} is not explained`;
  const schema = request.operation.answers.get(answer.status)?.schemas.get(PROBLEM);
  for (const { pointer, why } of schema ? faultsOf(schema, problem, false) : [])
    yield `${pointer} ${why}`;
  if (problem.type === "/problems/validation") {
    const fault = namingFault(request, problem);
    if (fault !== undefined) yield fault;
  }
}

/** A body is what the document says, and nothing more. */
function* schemaFaults({ answers }: Operation, answer: FuzzAnswer): Generator<string> {
  const documented = answers.get(answer.status)?.schemas;
  if (documented === undefined) return;
  if (documented.size === 0) {
    if (answer.text !== "") yield "has a body, and none is documented";
    return;
  }
  const schema = documented.get(typeOf(answer));
  if (schema === undefined) {
    yield `the type ${typeOf(answer) || "nothing"} is not documented`;
    return;
  }
  if (typeOf(answer) !== "application/json") return;
  const value = jsonOf(answer);
  if (value === undefined) yield "is no JSON";
  else for (const { pointer, why } of faultsOf(schema, value, true)) yield `${pointer} ${why}`;
}

/** Those that a client acts upon. */
const TELLING = [
  ...["etag", "location", "retry-after", "idempotent-replayed"],
  ...["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"],
];

/** Of the headers that tell a client something, an answer has those that the document says. */
function* headerFaults({ answers }: Operation, answer: FuzzAnswer): Generator<string> {
  const documented = answers.get(answer.status)?.headers;
  if (documented === undefined) return;
  for (const name of TELLING) {
    if (answer.headers.has(name) && !documented.has(name)) yield `${name} is not documented`;
    if (!answer.headers.has(name) && documented.get(name)) yield `${name} is missing`;
  }
}

/** Whatever is wrong with an answer. */
export async function findingsIn(
  request: FuzzRequest,
  answer: FuzzAnswer,
  judge: Judge,
): Promise<Finding[]> {
  const { status, text, headers } = answer;
  const findings: Finding[] = [];
  const add = (check: Check, whys: Iterable<string>) => {
    for (const why of whys) findings.push({ check, why });
  };
  if (status >= 500) add("sound", [`${status}: ${text.slice(0, 200)}`]);
  else add("status", statusFaults(request, answer));
  if (status >= 400) add("problem", await Array.fromAsync(problemFaults(request, answer, judge)));
  else if (request.method === request.operation.method)
    add("schema", schemaFaults(request.operation, answer));
  if (request.method === request.operation.method)
    add("header", headerFaults(request.operation, answer));
  add("secret", leaksIn(text, headers, judge.secrets));
  return findings;
}

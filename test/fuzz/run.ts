// A run: requests in rounds, each drawn from what the rounds before have learned, so that a seed draws the same ones
// however their answers overtake each other. What the service itself draws, such as ids, differs between runs.

import { inParallel } from "../harness/http.ts";
import { breakField } from "./break-fields.ts";
import { requestBreakers } from "./break-request.ts";
import { type Check, findingsIn, type Judge } from "./checks.ts";
import { type OpenApiDocument, type Operation, operationsOf } from "./document.ts";
import { draftOf } from "./draft.ts";
import { createKept, type Kept } from "./kept.ts";
import type { Pool } from "./pool.ts";
import { type Random, randomOf } from "./random.ts";
import {
  type Asker,
  type Break,
  curlOf,
  type FuzzRequest,
  requestOf,
  send,
  THROWAWAY,
} from "./request.ts";
import { createRoles, type Roles } from "./roles.ts";

const AT_ONCE = 32;
const ROUND_REQUESTS = 256;
const TRIES_MAX = 20;
const LEFT_WHOLE = 0.35;
/** An operation that was done fewer times than this is asked more often, and oftener as it is right. */
const DONE_MIN = 15;
const SELDOM_DONE = { times: 3, leftWhole: 0.7 };
const FIELD_BROKEN = 0.6;
const USUAL_WEIGHT = 10;
/** A password's hash costs as much as a hundred other requests, and a session ends sooner than one logs in. */
const ACCOUNTS_WEIGHT = 3;

/** What a run begins with. */
export interface Fuzzed {
  readonly url: string;
  readonly askers: readonly Asker[];
  /** Tokens that were good once. */
  readonly expired: readonly string[];
  /** Texts that no answer may have. */
  readonly secrets: readonly string[];
  readonly pool: Pool;
}

export interface Failure {
  readonly operation: string;
  readonly check: Check;
  readonly why: string;
  /** Of the run, from 0. */
  readonly number: number;
  readonly what: string;
  readonly curl: string;
  readonly answer: string;
  times: number;
}

export interface FuzzReport {
  readonly requests: number;
  readonly seconds: number;
  /** The first of each operation and check. */
  readonly failures: readonly Failure[];
  /** By operation, how often each status was the answer. */
  readonly answered: ReadonlyMap<string, ReadonlyMap<number, number>>;
}

interface Run extends Fuzzed {
  readonly operations: readonly Operation[];
  readonly roles: Roles;
  readonly kept: Kept;
  readonly answered: ReadonlyMap<string, Map<number, number>>;
}

/** How often an operation did what it is for. */
const doneTimes = ({ answered }: Pick<Run, "answered">, { name }: Operation): number =>
  [...(answered.get(name) ?? [])].reduce((sum, [status, n]) => sum + (status < 300 ? n : 0), 0);

/** Who asks: one of a role that this operation seems to be for. Sessions are ended by throwaways. */
function askerOf(run: Run, operation: Operation, random: Random): Asker {
  const fitting = run.askers.filter(({ role }) => run.roles.mayAsk(operation.name, role));
  const asker = random.pick(fitting.length > 0 ? fitting : run.askers);
  if (!operation.path.includes("/auth/")) return asker;
  const token = String(run.pool.pick("accessToken", random, "") ?? "");
  return { ...asker, name: THROWAWAY, token };
}

function breakOf(run: Run, draft: ReturnType<typeof draftOf>, random: Random): Break | undefined {
  if (draft.operation.body !== undefined && random.chance(FIELD_BROKEN))
    return breakField(draft, random);
  const { pool, askers, expired } = run;
  return random.pick(requestBreakers)(draft, { random, pool, askers, expired });
}

/** The request of this number. Throws when the document has something that no request can be made of. */
function drawn(run: Run, seed: string, number: number): FuzzRequest {
  const random = randomOf(`${seed}/${number}`);
  const weighted = run.operations.flatMap((operation) => {
    const weight = operation.path.includes("/auth/") ? ACCOUNTS_WEIGHT : USUAL_WEIGHT;
    const length = doneTimes(run, operation) < DONE_MIN ? weight * SELDOM_DONE.times : weight;
    return Array.from({ length }, () => operation);
  });
  const operation = random.pick(weighted);
  const again = run.kept.again(operation, random);
  if (again !== undefined) return again;
  const isSeldom = doneTimes(run, operation) < DONE_MIN;
  const whole = random.chance(isSeldom ? SELDOM_DONE.leftWhole : LEFT_WHOLE);
  for (let round = 0; round < TRIES_MAX; round += 1) {
    const draft = draftOf(operation, askerOf(run, operation, random), { random, pool: run.pool });
    const broken = whole ? undefined : breakOf(run, draft, random);
    if (whole || broken !== undefined) return requestOf(draft, broken);
  }
  const draft = draftOf(operation, askerOf(run, operation, random), { random, pool: run.pool });
  return requestOf(draft, undefined);
}

/** Answers each `type` once. */
function judgeOf({ url, secrets }: Fuzzed): Judge {
  const known = new Map<string, Promise<boolean>>();
  const ask = async (type: string): Promise<boolean> => {
    if (!/^\/problems\/[a-z-]+$/.test(type)) return false;
    const response = await fetch(url + type);
    await response.arrayBuffer();
    return response.ok;
  };
  return {
    secrets,
    explains(type) {
      const answer = known.get(type) ?? ask(type);
      known.set(type, answer);
      return answer;
    },
  };
}

type Answer = Awaited<ReturnType<typeof send>> | { readonly gone: string };

const sent = (url: string, request: FuzzRequest): Promise<Answer> =>
  send(url, request).catch((error: unknown) => ({ gone: String(error) }));

/** Learns from an answer: what exists, who may ask what, which bodies are taken. */
function learn(run: Run, request: FuzzRequest, answer: Exclude<Answer, { gone: string }>): void {
  const { operation, asker, broken, value } = request;
  if (broken === undefined) run.roles.learn(operation.name, asker.role, answer.status);
  const isOver = answer.status === 401 || operation.path.endsWith("/logout");
  if (isOver && asker.name === THROWAWAY) run.pool.forget("accessToken", asker.token);
  if (answer.status >= 300 || request.method !== operation.method) return;
  if (broken === undefined && value !== undefined) run.pool.taken(operation.name, value);
  if (broken === undefined) run.kept.learn(request, answer);
  if (!(answer.headers.get("content-type") ?? "").includes("json")) return;
  try {
    run.pool.learn(operation.path, JSON.parse(answer.text), asker.name);
  } catch {
    // What is no JSON is a finding, and nothing to learn from.
  }
}

/** Reads the document of a running service, sends it `requests` requests and checks each answer. */
export async function fuzz(
  fuzzed: Fuzzed,
  { seed, requests }: { seed: string; requests: number },
): Promise<FuzzReport> {
  const document = (await (await fetch(`${fuzzed.url}/openapi.json`)).json()) as OpenApiDocument;
  const operations = operationsOf(document);
  const judge = judgeOf(fuzzed);
  const failures = new Map<string, Failure>();
  const answered = new Map(operations.map(({ name }) => [name, new Map<number, number>()]));
  const learned = { roles: createRoles(), kept: createKept() };
  const run: Run = { ...fuzzed, ...learned, operations, answered };
  const startedAt = performance.now();

  async function judged(request: FuzzRequest, answer: Answer, number: number): Promise<void> {
    const findings =
      "gone" in answer
        ? [{ check: "sound" as const, why: `no answer: ${answer.gone}` }]
        : await findingsIn(request, answer, judge);
    const { operation, broken } = request;
    for (const { check, why } of findings) {
      const key = `${operation.name} ${check}`;
      const known = failures.get(key);
      if (known) known.times += 1;
      else
        failures.set(key, {
          ...{ operation: operation.name, check, why, number, times: 1 },
          ...{ what: broken?.what ?? "nothing broken", curl: curlOf(fuzzed.url, request) },
          answer: "gone" in answer ? "" : `${answer.status} ${answer.text.slice(0, 1_000)}`,
        });
    }
  }

  for (let first = 0; first < requests; first += ROUND_REQUESTS) {
    const count = Math.min(ROUND_REQUESTS, requests - first);
    const round = Array.from({ length: count }, (_, at) => drawn(run, seed, first + at));
    const answers = await inParallel(round, AT_ONCE, (request) => sent(fuzzed.url, request));
    for (const [at, answer] of answers.entries()) {
      const request = round[at] as FuzzRequest;
      await judged(request, answer, first + at);
      if ("gone" in answer) continue;
      const counts = answered.get(request.operation.name);
      counts?.set(answer.status, (counts.get(answer.status) ?? 0) + 1);
      learn(run, request, answer);
    }
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  return { requests, seconds, failures: [...failures.values()], answered };
}

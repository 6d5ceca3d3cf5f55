// Requests with an Idempotency-Key whose answers the service keeps: repeated, and with another body under their key.

import type { Operation } from "./document.ts";
import type { Random } from "./random.ts";
import { type FuzzAnswer, type FuzzRequest, THROWAWAY } from "./request.ts";

const KEPT_MAX = 50;
const SENT_AGAIN = 0.06;

export interface Kept {
  learn(request: FuzzRequest, answer: FuzzAnswer): void;
  /** Now and then a request that was sent before, as it was or with another body. */
  again(operation: Operation, random: Random): FuzzRequest | undefined;
}

export function createKept(): Kept {
  const all = new Map<string, { request: FuzzRequest; answer: FuzzAnswer }[]>();
  return {
    learn(request, answer) {
      const { operation, headers } = request;
      if (!operation.keepsAnswers || headers["Idempotency-Key"] === undefined) return;
      const list = all.get(operation.name) ?? [];
      list.push({ request, answer });
      if (list.length > KEPT_MAX) list.shift();
      all.set(operation.name, list);
    },
    again(operation, random) {
      const list = all.get(operation.name) ?? [];
      if (list.length === 0 || !random.chance(SENT_AGAIN)) return undefined;
      const { request, answer } = random.pick(list);
      // A throwaway's session may be over.
      if (request.asker.name === THROWAWAY) return undefined;
      if (random.chance(0.5)) {
        const repeats = { status: answer.status, text: answer.text };
        return { ...request, broken: { what: "the same again", repeats } };
      }
      const body = random.pick(["{}", `${String(request.body ?? "{}")} `, '{"other":1}']);
      const headers = { ...request.headers, "Content-Type": "application/json" };
      const broken = { what: "another body under the same key", refusedWith: [422] };
      return { ...request, headers, body, broken };
    },
  };
}

// What is sent to those who watch a sale, as the bytes that all of them share.

import { type SaleState, stateAt } from "../sales/views.ts";
import { timeOf } from "../time.ts";
import type { WatchedFacts } from "./facts.ts";

export type WatchedState = SaleState | "sold_out";

/** The data of an event `sale`: the whole state, so that an event that was missed does not matter. */
export interface SaleEvent {
  readonly saleId: number;
  readonly state: WatchedState;
  readonly total: number;
  readonly left: number;
  readonly granted: number;
  readonly returned: number;
  /** Grants per second over the last seconds. */
  readonly rate: number;
  readonly asOf: string;
  readonly opensAt: string | null;
  readonly closesAt: string | null;
}

const encoder = new TextEncoder();

const leftOf = ({ total, granted, returned }: WatchedFacts): number =>
  Math.max(0, total - (granted - returned));

function stateOf(facts: WatchedFacts): WatchedState {
  const state = stateAt(facts, facts.asOf);
  return state === "open" && leftOf(facts) === 0 ? "sold_out" : state;
}

export function saleEvent(saleId: number, facts: WatchedFacts, rate: number): SaleEvent {
  const { total, granted, returned, asOf, opensAt, closesAt } = facts;
  return {
    ...{ saleId, state: stateOf(facts), total, left: leftOf(facts), granted, returned, rate },
    ...{ asOf: new Date(asOf).toISOString(), opensAt: timeOf(opensAt), closesAt: timeOf(closesAt) },
  };
}

/** Whether two events of a sale show the same, whenever they were; the rate is left to the sender. */
export const isSame = (one: SaleEvent, other: SaleEvent): boolean =>
  one.state === other.state &&
  one.total === other.total &&
  one.granted === other.granted &&
  one.returned === other.returned &&
  one.opensAt === other.opensAt &&
  one.closesAt === other.closesAt;

/** An id is the time: it grows, and whoever comes back with one gets the state as it is now. */
export const saleMessage = (event: SaleEvent): Uint8Array =>
  encoder.encode(`event: sale\nid: ${Date.parse(event.asOf)}\ndata: ${JSON.stringify(event)}\n\n`);

/** The numbers cannot be read at the moment: what was sent before may not be so any more. */
export const unavailableMessage = (saleId: number): Uint8Array =>
  encoder.encode(`event: unavailable\ndata: {"saleId":${saleId}}\n\n`);

/** A comment, so that nobody on the way takes the silence for a dead connection. */
export const HEARTBEAT: Uint8Array = encoder.encode(":\n\n");

/** How long a client is to wait before it comes back. */
export const retryMessage = (milliseconds: number): Uint8Array =>
  encoder.encode(`retry: ${milliseconds}\n\n`);

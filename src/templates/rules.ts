// What a template may say, and what may still change once people hold its coupons.
//
// A draft may change in everything. From the moment it is published, these may change, and in one direction only:
// name and description; the limits of count, budget and user upwards, or away; the validity to more time. Anything
// else could take from somebody what the coupon said when it was won.

import { isDeepStrictEqual } from "node:util";
import type { TemplateContent, Validity } from "./facts.ts";

/** A field that is not right. */
export interface Fault {
  /** RFC 6901. */
  readonly pointer: string;
  readonly detail: string;
}

/** Which fields say what a type takes off. */
const WORTH: Readonly<
  Record<TemplateContent["type"], { needs: readonly string[]; may: readonly string[] }>
> = {
  amount_off: { needs: ["faceValue"], may: [] },
  percent_off: { needs: ["basisPoints"], may: ["discountMax"] },
  free_shipping: { needs: [], may: ["discountMax"] },
};

/** The most that one coupon takes off, minor units; null when there is no bound. */
const worthMax = ({ type, faceValue, discountMax }: TemplateContent): number | null =>
  type === "amount_off" ? faceValue : discountMax;

/** What is wrong with a template as a whole; each field by itself is within its bounds already. */
export function contentFaults(content: TemplateContent): Fault[] {
  const faults: Fault[] = [];
  const fault = (field: string, detail: string) => faults.push({ pointer: `/${field}`, detail });
  const { needs, may } = WORTH[content.type];
  const said = {
    faceValue: content.faceValue > 0,
    basisPoints: content.basisPoints !== null,
    discountMax: content.discountMax !== null,
  };
  for (const [field, isSaid] of Object.entries(said)) {
    if (needs.includes(field) && !isSaid) fault(field, `The type ${content.type} needs it.`);
    if (!needs.includes(field) && !may.includes(field) && isSaid)
      fault(field, `The type ${content.type} does not have it.`);
  }
  if (content.stacking === "group" && content.stackingGroup === null)
    fault("stackingGroup", "Name the group of which one coupon may be used.");
  if (content.stacking !== "group" && content.stackingGroup !== null)
    fault("stackingGroup", "Only the stacking `group` has one.");
  if (content.budget !== null) {
    const most = worthMax(content);
    if (most === null) {
      fault("discountMax", "With a budget there must be a most that one coupon takes off.");
    } else if (content.budget < most) {
      fault("budget", `One coupon may take off ${most}: no coupon could be used.`);
    }
  }
  const { validity } = content;
  if (validity && "from" in validity && validity.from && validity.until) {
    if (validity.from >= validity.until)
      fault("validity/until", "It must be later than the beginning.");
  }
  return faults;
}

type Field = keyof TemplateContent;

/** Those that may rise or be taken away. */
const RISING = ["userLimit", "totalCount", "budget"] as const satisfies readonly Field[];
const FREE: readonly Field[] = ["name", "description"];

const rises = (before: number | null, after: number | null): boolean =>
  after === null || (before !== null && after >= before);

const instantOf = (at: Date | null, none: number): number => at?.getTime() ?? none;

function isExtended(before: Validity | null, after: Validity | null): boolean {
  if (after === null) return true;
  if (before === null) return false;
  if ("days" in before) return "days" in after && after.days >= before.days;
  return (
    "from" in after &&
    instantOf(after.from, Number.NEGATIVE_INFINITY) <=
      instantOf(before.from, Number.NEGATIVE_INFINITY) &&
    instantOf(after.until, Number.POSITIVE_INFINITY) >=
      instantOf(before.until, Number.POSITIVE_INFINITY)
  );
}

/** What a change would take from those who hold a coupon of a published template. */
export function frozenFaults(before: TemplateContent, after: TemplateContent): Fault[] {
  const faults: Fault[] = [];
  for (const field of Object.keys(after) as Field[]) {
    if (FREE.includes(field) || isDeepStrictEqual(before[field], after[field])) continue;
    const pointer = `/${field}`;
    if (field === "validity") {
      if (!isExtended(before.validity, after.validity))
        faults.push({ pointer, detail: "Once published it can be extended only." });
      continue;
    }
    const rising = RISING.find((one) => one === field);
    if (rising === undefined) {
      faults.push({ pointer, detail: "It stays as it was when the template was published." });
    } else if (!rises(before[rising], after[rising])) {
      faults.push({ pointer, detail: "Once published it can be raised only." });
    }
  }
  return faults;
}

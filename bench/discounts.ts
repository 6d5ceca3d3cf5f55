// What a calculation with coupons costs: pure code, so without a server. CPU of this process per call, over orders
// and coupons of several shapes, because the search for the best combination lives from what it can leave out.

import { bestCombination } from "../src/discounts/best/best.ts";
import { calculate } from "../src/discounts/calculate.ts";
import type { Held, Order, Terms } from "../src/discounts/order.ts";

export interface DiscountFigure {
  readonly what: "calculate" | "best";
  readonly shape: string;
  readonly coupons: number;
  readonly items: number;
  /** CPU per call over all orders of the shape, and of the dearest of its orders, microseconds. */
  readonly micros: number;
  readonly worstMicros: number;
}

const ITEMS = 20;
/** What is too much for the search: it has to end in time. */
const HARD = { shape: "amounts that are hard to tell apart", coupons: 100, items: 100 } as const;
const ORDERS = 24;
const WARM_UP_CALLS = 400;
const CALLS = { calculate: 200, best: 20 } as const;
const NOW = new Date("2030-01-15T12:00:00.000Z");

/** The same numbers in every run. */
function dice(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
type Dice = ReturnType<typeof dice>;

const PLAIN: Terms = {
  ...{ type: "amount_off", faceValue: 0, basisPoints: null, discountMax: null, minimumSpend: 0 },
  ...{ currency: "CNY", goods: [], categories: [], excludedGoods: [], excludedCategories: [] },
  ...{ stacking: "free", stackingGroup: null },
};
const someGoods = (roll: Dice, most: number): string[] =>
  Array.from({ length: 1 + roll(most) }, () => `g${roll(ITEMS)}`);
const hardGoods = (roll: Dice): string[] =>
  Array.from({ length: HARD.items / 5 }, () => `g${roll(HARD.items)}`);
const percent = (roll: Dice, goods: string[]): Partial<Terms> => ({
  ...{ type: "percent_off", basisPoints: 1_000 + roll(6_000), goods },
  discountMax: roll(2) ? 2_000 + roll(20_000) : null,
});

/** The terms of the coupon at a place, for an order that comes to `total`. */
type Shape = (roll: Dice, place: number, total: number) => Partial<Terms>;

const SHAPES: Readonly<Record<string, Shape>> = {
  "amounts for all": (roll) => ({ faceValue: 100 + roll(3_000) }),
  "amounts that exhaust the order": (roll, _, total) => ({
    faceValue: Math.floor(total / 6) + roll(total / 10),
  }),
  "amounts for some goods": (roll) => ({
    faceValue: 3_000 + roll(30_000),
    goods: someGoods(roll, 8),
  }),
  "percentages over amounts": (roll, place) =>
    place % 3 === 0
      ? percent(roll, someGoods(roll, 8))
      : { faceValue: 5_000 + roll(20_000), goods: someGoods(roll, 8) },
  "all kinds": (roll, place) => {
    const stacking = (["free", "free", "group", "exclusive"] as const)[roll(4)] ?? "free";
    const terms = {
      ...{ minimumSpend: roll(3) === 0 ? 5_000 : 0, stacking },
      stackingGroup: stacking === "group" ? "a" : null,
    };
    if (place % 4 === 0) return { ...terms, ...percent(roll, someGoods(roll, 8)) };
    if (place % 7 === 1) return { ...terms, type: "free_shipping", discountMax: 100 + roll(900) };
    return { ...terms, faceValue: 500 + roll(20_000), goods: someGoods(roll, 8) };
  },
};

const hard: Shape = (roll, _, total) => ({
  faceValue: Math.floor(total / 9) + roll(total / 20),
  goods: hardGoods(roll),
});

/** How many there are of what. */
interface Size {
  readonly coupons: number;
  readonly items: number;
}

function orderOf(shape: Shape, size: Size, seed: number): { order: Order; held: Held[] } {
  const roll = dice(seed);
  const items = Array.from({ length: size.items }, (_, i) => ({
    ...{ goods: `g${i}`, category: `c${i % 5}`, quantity: 1 + roll(3) },
    unitPrice: 100 + roll(20_000),
  }));
  const total = items.reduce((sum, { quantity, unitPrice }) => sum + quantity * unitPrice, 0);
  const held = Array.from(
    { length: size.coupons },
    (_, place): Held => ({
      ...{
        code: `C${place}`,
        templateId: place,
        terms: { ...PLAIN, ...shape(roll, place, total) },
      },
      ...{ state: "unused", lockedUntil: null, lockedByOrder: false, validFrom: null },
      ...{ expiresAt: new Date(NOW.getTime() + 1_000 * (1 + roll(5))) },
      ...{ usesLeft: null, budgetUsesLeft: null },
    }),
  );
  return { order: { items, shippingFee: 800, currency: "CNY" }, held };
}

function microsPerCall(call: () => unknown, calls: number): number {
  const before = process.cpuUsage();
  for (let i = 0; i < calls; i += 1) call();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / calls;
}

function measure(
  what: DiscountFigure["what"],
  shape: string,
  terms: Shape | undefined,
  size: Size,
): DiscountFigure {
  if (!terms) throw new Error(`there is no shape ${shape}`);
  const orders = Array.from({ length: ORDERS }, (_, i) => orderOf(terms, size, i + 1));
  const compute = what === "best" ? bestCombination : calculate;
  for (let i = 0; i < WARM_UP_CALLS; i += 1) {
    const { order, held } = orders[i % ORDERS] as (typeof orders)[number];
    compute(order, held, NOW);
  }
  const all = orders.map(({ order, held }) =>
    microsPerCall(() => compute(order, held, NOW), CALLS[what]),
  );
  const micros = all.reduce((sum, one) => sum + one, 0) / all.length;
  const { coupons, items } = size;
  return { what, shape, coupons, items, micros, worstMicros: Math.max(...all) };
}

/** Takes seconds. `calculate` only in shapes that no rule refuses: a refusal costs nearly nothing. */
export const measureDiscounts = (): DiscountFigure[] => [
  ...["amounts for all", "amounts that exhaust the order", "amounts for some goods"].map((shape) =>
    measure("calculate", shape, SHAPES[shape], { coupons: 5, items: ITEMS }),
  ),
  ...Object.keys(SHAPES).map((shape) =>
    measure("best", shape, SHAPES[shape], { coupons: 20, items: ITEMS }),
  ),
  measure("best", HARD.shape, hard, HARD),
];

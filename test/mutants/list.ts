import { accountMutants } from "./accounts.ts";
import { cacheMutants } from "./caches.ts";
import { couponMutants } from "./coupons.ts";
import { discountMutants } from "./discounts.ts";
import { ledgerMutants } from "./ledger.ts";
import type { Mutant } from "./mutant.ts";
import { processMutants } from "./process.ts";
import { recoveryMutants } from "./recovery.ts";
import { saleMutants } from "./sales.ts";
import { storeMutants } from "./store.ts";

/** Every mutant that is an edit of a file; those of grab.lua are in grab-script.ts. */
export const mutants: readonly Mutant[] = [
  ...processMutants,
  ...storeMutants,
  ...ledgerMutants,
  ...recoveryMutants,
  ...couponMutants,
  ...discountMutants,
  ...accountMutants,
  ...saleMutants,
  ...cacheMutants,
];

// A process that locks a coupon and then does nothing more until it is ended.

import { createCoupons } from "../../src/coupons/service.ts";
import { openPool } from "../../src/db/client.ts";

const { DATABASE_URL = "", CODE = "", USER_ID = "", TTL_SECONDS = "" } = process.env;

const { db } = openPool(DATABASE_URL, 1);
const service = createCoupons({ db, wallet: { isPending: () => Promise.resolve(false) } });
const wish = { action: "lock", ttlSeconds: Number(TTL_SECONDS) } as const;
const acting = { userId: Number(USER_ID), actor: `user:${USER_ID}`, byService: false };
const outcome = await service.change(acting, "killed", new Map([[CODE, wish]]));
console.log(outcome.kind === "done" ? "locked" : outcome.kind);

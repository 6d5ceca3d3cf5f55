// Add a coupon, list coupons.

import { z } from "zod";
import { type Claims, isSeller, type Tokens } from "../auth/token.ts";
import { limits } from "../limits.ts";
import { countChars } from "../text.ts";
import { foldName } from "../users/name.ts";
import type { Users } from "../users/service.ts";
import {
  busy,
  fixed,
  jsonText,
  nothing,
  refusal,
  refuse,
  unauthorized,
  unreadable,
} from "./answers.ts";
import { integer, readBody, text } from "./body.ts";
import type { Wallet } from "./own-lists.ts";
import type { Sales } from "./sales.ts";

export interface CouponDeps {
  tokens: Tokens;
  users: Pick<Users, "find">;
  sales: Pick<Sales, "create" | "sellerPage">;
  wallet: Wallet;
}

const newCoupon = z.object({ name: text, amount: integer, description: text, stock: integer });

const created = fixed(201, { errMsg: "" });
const notJson = refusal(400, "Only receive JSON format.");
const notSeller = refusal(401, "Only sellers can create coupons.");
const notYourself = refusal(401, "Cannot create coupons for other users.");
const duplicate = refusal(400, "Create failed. Maybe (username,coupon name) duplicates");
const wrongPage = refusal(400, "Wrong format of page.");
const noSuchUser = refusal(400, "Record not found.");
const notYours = fixed(401, { data: [], errMsg: "Cannot check other customer." });
const noMore = nothing();

const CONTROL = /\p{Cc}/u;
// As Go's Atoi reads it: a sign is allowed, a space is not.
const PAGE = /^[+-]?\d{1,15}$/;

const isOwn = (username: string, claims: Claims): boolean =>
  username === claims.username || foldName(username) === foldName(claims.username);

/** What the seller must change, or undefined when the coupon can be made. */
function faultOf({ name, amount, description, stock }: z.infer<typeof newCoupon>) {
  const { couponNameCharsMax, descriptionCharsMax, couponAmountMax, faceValueMax } = limits;
  if (name === "" || countChars(name) > couponNameCharsMax) {
    return `Use a name of 1 to ${couponNameCharsMax} characters.`;
  }
  if (CONTROL.test(name) || CONTROL.test(description)) {
    return "Use a name and a description without control characters.";
  }
  // A path ends at these: the coupon could not be grabbed.
  if (name === "." || name === "..") return "Use a name that can be part of a path.";
  if (countChars(description) > descriptionCharsMax) {
    return `Use a description of at most ${descriptionCharsMax} characters.`;
  }
  if (amount < 1 || amount > couponAmountMax) return `Use an amount of 1 to ${couponAmountMax}.`;
  if (stock < 0 || stock > faceValueMax) return `Use a stock of 0 to ${faceValueMax}.`;
  return undefined;
}

/** The number of the page that is asked for, from 1; undefined when it is not a number. */
function pageOf(url: string): number | undefined {
  const query = url.indexOf("?");
  if (query < 0) return 1;
  // Of several the first counts, as in the originals.
  const page = new URLSearchParams(url.slice(query + 1)).get("page");
  if (page === null) return 1;
  return PAGE.test(page) ? Math.max(1, Number(page)) : undefined;
}

export function createCoupons({ tokens, users, sales, wallet }: CouponDeps) {
  const shown = (list: string): Response =>
    list === "" ? noMore() : jsonText(`{"data":${list},"errMsg":""}`);

  return {
    /** `username` is the seller's, from the path. */
    async add(request: Request, username: string): Promise<Response> {
      const check = tokens.verify(request.headers.get("authorization"));
      if (!check.ok) return unauthorized[check.reason]();
      const { claims } = check;
      if (!isSeller(claims.kind)) return notSeller();
      const body = await readBody(request, newCoupon);
      if (!body.ok) return body.reason === "malformed" ? notJson() : unreadable[body.reason]();
      if (!isOwn(username, claims)) return notYourself();
      const fault = faultOf(body.value);
      if (fault !== undefined) return refuse(400, `Create failed. ${fault}`);
      const { name, amount, description, stock } = body.value;
      const outcome = await sales.create({
        sellerId: Number(claims.userId),
        sellerName: claims.username,
        name,
        amount,
        faceValue: stock,
        description,
      });
      if (outcome.kind === "unavailable") return busy();
      return outcome.kind === "created" ? created() : duplicate();
    },

    /** A seller's coupons, seen by anyone, or one's own. */
    async list(request: Request, username: string): Promise<Response> {
      const check = tokens.verify(request.headers.get("authorization"));
      if (!check.ok) return unauthorized[check.reason]();
      const page = pageOf(request.url);
      if (page === undefined) return wrongPage();
      const { claims } = check;
      if (isOwn(username, claims)) {
        // The token says all that is needed; its user need not have a row in MySQL.
        if (page > limits.listPageMax) return noMore();
        return shown(
          isSeller(claims.kind)
            ? await sales.sellerPage(Number(claims.userId), page)
            : await wallet.page(claims.userId, page),
        );
      }
      const user = await users.find(username);
      if (user === undefined) return noSuchUser();
      if (!isSeller(user.kind)) return notYours();
      return page > limits.listPageMax ? noMore() : shown(await sales.sellerPage(user.id, page));
    },
  };
}

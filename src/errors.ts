// Every refusal of the /v1 API: its slug, its status, and the text that `/problems/<slug>` shows. A client goes by
// the slug; the title and the help are for people.

interface Refusal {
  readonly status:
    | 400
    | 401
    | 403
    | 404
    | 405
    | 409
    | 410
    | 412
    | 413
    | 415
    | 422
    | 429
    | 500
    | 503;
  readonly title: string;
  /** What to do about it. */
  readonly help: string;
}

export const refusals = {
  "malformed-json": {
    status: 400,
    title: "The body is not JSON",
    help: "Send one JSON object in UTF-8, complete and without half characters.",
  },
  unauthenticated: {
    status: 401,
    title: "Nobody is signed in",
    help: "Send `Authorization: Bearer <access token>`; POST /v1/auth/login gives one.",
  },
  "invalid-token": {
    status: 401,
    title: "The token is not valid",
    help: "Access tokens live 15 minutes. Get a new one from POST /v1/auth/refresh or /v1/auth/login.",
  },
  "token-revoked": {
    status: 401,
    title: "The token was revoked",
    help: "The user logged out, changed the password or was disabled. Log in again.",
  },
  "invalid-credentials": {
    status: 401,
    title: "User name or password is wrong",
    help: "Check both. An account that the operator has disabled is answered like this too.",
  },
  "refresh-reused": {
    status: 401,
    title: "The refresh token was used before",
    help: "The session is over, because the token may have been stolen. Log in again.",
  },
  forbidden: {
    status: 403,
    title: "Not allowed",
    help: "Your role may not do this. The OpenAPI document says for each route who may.",
  },
  "held-by-service": {
    status: 403,
    title: "A service has the coupon locked or used",
    help: "Only a service can undo that. Ask the shop to cancel the order.",
  },
  "not-found": {
    status: 404,
    title: "There is no such thing",
    help: "It does not exist, or it belongs to somebody else.",
  },
  "method-not-allowed": {
    status: 405,
    title: "The path has no such method",
    help: "The Allow header lists those that it has.",
  },
  conflict: {
    status: 409,
    title: "It does not fit what is there",
    help: "Read the thing again, and repeat the request if it still makes sense.",
  },
  "username-taken": {
    status: 409,
    title: "The user name is taken",
    help: "Names are compared without case. Choose another one.",
  },
  "sold-out": {
    status: 409,
    title: "Sold out",
    help: "All units are gone. Units that are given back, or added, can be grabbed again.",
  },
  "limit-reached": {
    status: 409,
    title: "You have as many as one may have",
    help: "GET /v1/sales/{id}/grabs/me shows what you have.",
  },
  "not-started": {
    status: 409,
    title: "The sale has not begun",
    help: "`opensAt` says when it does, and `serverTime` what the time is here.",
  },
  paused: {
    status: 409,
    title: "The sale is paused",
    help: "It goes on when the seller resumes it.",
  },
  "paused-by-audit": {
    status: 409,
    title: "The service has paused the sale",
    help: "Its numbers did not agree. An operator looks, and runs `doorbuster resume`.",
  },
  ended: {
    status: 410,
    title: "The sale has ended",
    help: "`closesAt` says when it did.",
  },
  "key-required": {
    status: 422,
    title: "The grab needs an Idempotency-Key",
    help: "One may have several units of this sale; the key tells a repeated grab from another one.",
  },
  "rate-limited": {
    status: 429,
    title: "Too many attempts",
    help: "Attempts to log in and to register are counted by name and by address. Wait for the seconds of Retry-After.",
  },
  "too-fast": {
    status: 429,
    title: "Too many grabs",
    help: "Try again after the seconds that Retry-After gives.",
  },
  "idempotency-in-progress": {
    status: 409,
    title: "The same request is still under way",
    help: "Repeat it in a moment with the same Idempotency-Key; the answer will be that of the first.",
  },
  "name-taken": {
    status: 409,
    title: "You have a sale of that name",
    help: "Names of a seller's sales are unique: the classic API finds them by it.",
  },
  "sale-opened": {
    status: 409,
    title: "The sale has opened",
    help: "From then on only its total and its end can change, and it cannot be deleted: end or pause it.",
  },
  "below-granted": {
    status: 409,
    title: "More units are held than that",
    help: "A total can be lowered to what is held; `held` says how many that is now.",
  },
  "template-not-published": {
    status: 409,
    title: "The template is not published",
    help: "Only published templates can be sold, and sales of others cannot be enlarged.",
  },
  "template-count-exceeded": {
    status: 409,
    title: "The template does not have so many units",
    help: "The totals of its sales together stay within its totalCount; `left` says how many are left.",
  },
  "template-published": {
    status: 409,
    title: "A published template cannot change so",
    help: "Only what hurts nobody who holds a coupon may change: name, description, more count, budget, limit or validity. `errors` names the fields.",
  },
  "template-state": {
    status: 409,
    title: "The template is in another state",
    help: "A draft is published, a published one disabled; there is no way back.",
  },
  "version-mismatch": {
    status: 412,
    title: "It has changed meanwhile",
    help: "Read it again, and send the new ETag in If-Match.",
  },
  "coupon-locked": {
    status: 409,
    title: "Another order has the coupon locked",
    help: "Wait for `lockedUntil`, or unlock it for that order.",
  },
  "coupon-used": {
    status: 409,
    title: "The coupon is used",
    help: "An order has used it; reverting that order's use gives it back.",
  },
  "coupon-expired": {
    status: 409,
    title: "The coupon has expired",
    help: "Its time was over at `expiresAt`. Take another one.",
  },
  "coupon-not-yet-valid": {
    status: 409,
    title: "The coupon is not valid yet",
    help: "It can be used from `validFrom` on.",
  },
  "template-limit-reached": {
    status: 409,
    title: "The user has as many of these coupons in use as the template allows",
    help: "`limit` of them are locked or used. Unlock or revert another one first.",
  },
  "template-budget-exhausted": {
    status: 409,
    title: "The budget of the template has no room for this coupon",
    help: "What locked coupons hold of it comes free when they are unlocked or their locks end.",
  },
  "payload-too-large": {
    status: 413,
    title: "The body is too large",
    help: "A body may have 64 KiB.",
  },
  "unsupported-media-type": {
    status: 415,
    title: "The body is of another type",
    help: "Send `Content-Type: application/json` and no Content-Encoding.",
  },
  validation: {
    status: 422,
    title: "The request has fields that are not right",
    help: "`errors` lists them, each with a JSON pointer or the name of the parameter.",
  },
  "weak-password": {
    status: 422,
    title: "The password is too easy to guess",
    help: "`errors` says what is wrong with it. Length helps more than special characters.",
  },
  "currency-mismatch": {
    status: 422,
    title: "The coupon is of another currency",
    help: "`currency` is the coupon's.",
  },
  "discount-too-large": {
    status: 422,
    title: "The coupon cannot take off that much",
    help: "`most` is the most that it can take off this order, minor units.",
  },
  "coupons-not-combinable": {
    status: 422,
    title: "The coupons cannot be used together",
    help: "`violations` lists the rules that they break, each with the coupons that break it. Leave some out; POST /v1/coupons/available finds the best combination.",
  },
  "idempotency-key-reused": {
    status: 422,
    title: "The Idempotency-Key belongs to another request",
    help: "A key stands for one request, body included. Draw a new one for another.",
  },
  internal: {
    status: 500,
    title: "Something went wrong",
    help: "Please report it with the `instance` of the answer.",
  },
  "coupon-not-recorded": {
    status: 503,
    title: "The coupon is not written down yet",
    help: "It was granted a moment ago. Try again after the seconds that Retry-After gives.",
  },
  unavailable: {
    status: 503,
    title: "The service is unavailable",
    help: "Try again after the seconds that Retry-After gives.",
  },
} as const satisfies Record<string, Refusal>;

export type ProblemCode = keyof typeof refusals;

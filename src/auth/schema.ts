// What the account routes of /v1 take and answer.

import { z } from "@hono/zod-openapi";
import { limits } from "../limits.ts";
import type { UserFacts } from "../users/service.ts";
import { idSchema, timeSchema } from "../v1/schemas.ts";
import type { TokenPair } from "./refresh.ts";

const username = z.string().openapi({
  description: `1 to ${limits.usernameCharsMax} characters; upper and lower case are the same.`,
  example: "alice",
});

const newPassword = z.string().openapi({
  description: `From ${limits.passwordCharsMin} characters to ${limits.passwordBytesMax} bytes, none of the commonest.`,
  example: "correct horse battery",
});

/** A password that is only compared: what it is long is no matter. */
const password = z.string().openapi({ example: "correct horse battery" });

export const registration = z
  .strictObject({ username, password: newPassword, role: z.enum(["customer", "seller"]) })
  .openapi("Registration");

export const credentials = z.strictObject({ username, password }).openapi("Credentials");

export const refreshing = z
  .strictObject({ refreshToken: z.string().openapi({ example: "dbr_…" }) })
  .openapi("Refreshing");

export const passwordChange = z
  .strictObject({ currentPassword: password, newPassword })
  .openapi("PasswordChange");

export const account = z
  .object({ id: idSchema, username, role: z.enum(["customer", "seller", "admin"]) })
  .openapi("Account");

export const signedIn = z
  .object({
    user: account,
    accessToken: z.string().openapi({ description: "Send it as `Authorization: Bearer …`." }),
    accessTokenExpiresAt: timeSchema,
    refreshToken: z.string().openapi({
      description: "Good for one POST /v1/auth/refresh, which gives the next one. Keep it secret.",
    }),
    refreshTokenExpiresAt: timeSchema,
  })
  .openapi("SignedIn");

/** The role that a user has in /v1: the two spellings of the classic API are one. */
export const accountOf = ({ id, username: name, kind }: UserFacts): z.infer<typeof account> => ({
  id,
  username: name,
  role: kind === "saler" ? "seller" : kind,
});

/** The answer with a new pair of tokens. */
export const signedInOf = (user: UserFacts, pair: TokenPair): z.infer<typeof signedIn> => ({
  user: accountOf(user),
  accessToken: pair.accessToken,
  accessTokenExpiresAt: pair.accessTokenExpiresAt.toISOString(),
  refreshToken: pair.refreshToken,
  refreshTokenExpiresAt: pair.refreshTokenExpiresAt.toISOString(),
});

// Accounts of /v1 for tests.

import { freshName } from "./http.ts";
import { type V1Answer, v1 } from "./v1.ts";

export interface Account {
  readonly username: string;
  readonly password: string;
}

/** The body of a log-in, of a refresh or of a change of the password. */
export interface SignedIn {
  readonly user: { id: number; username: string; role: string };
  readonly accessToken: string;
  readonly accessTokenExpiresAt: string;
  readonly refreshToken: string;
  readonly refreshTokenExpiresAt: string;
}

/** Registers somebody whom nobody else in this test file knows. */
export async function newAccount(
  url: string,
  role: "customer" | "seller" = "customer",
): Promise<Account> {
  const account = { username: freshName(role), password: `a pass word of ${freshName(role)}` };
  const answer = await v1(url, "POST /v1/auth/register", { body: { ...account, role } });
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body));
  return account;
}

export const logInV1 = (url: string, { username, password }: Account): Promise<V1Answer> =>
  v1(url, "POST /v1/auth/login", { body: { username, password } });

export const refresh = (url: string, refreshToken: string): Promise<V1Answer> =>
  v1(url, "POST /v1/auth/refresh", { body: { refreshToken } });

/** A session of this account, or of a new one. */
export async function signIn(url: string, account?: Account): Promise<Account & SignedIn> {
  const who = account ?? (await newAccount(url));
  const answer = await logInV1(url, who);
  if (answer.status !== 200) throw new Error(JSON.stringify(answer.body));
  return { ...who, ...(answer.body as SignedIn) };
}

/** 200, or the status and the code of the refusal. */
export async function statusOf(url: string, accessToken: string): Promise<number | string> {
  const answer = await v1(url, "GET /v1/me", { token: accessToken });
  return answer.status === 200 ? 200 : codeOf(answer);
}

/** The status and the code of a refusal. */
export const codeOf = ({ status, body }: V1Answer): string => `${status} ${body.code}`;

// Register, log in, log out.

import type { Server } from "bun";
import { z } from "zod";
import { countedAddress } from "../auth/address.ts";
import type { Revocations } from "../auth/revocations.ts";
import type { Throttle } from "../auth/throttle.ts";
import { isOpenKind, type Tokens } from "../auth/token.ts";
import type { Config } from "../config.ts";
import { limits } from "../limits.ts";
import { countChars } from "../text.ts";
import { isAcceptableName } from "../users/name.ts";
import type { Users } from "../users/service.ts";
import { busy, fixed, json, refusal, refuse, unreadable } from "./answers.ts";
import { readBody, text } from "./body.ts";

export interface AccountDeps {
  config: Pick<Config, "trustProxy">;
  tokens: Tokens;
  revocations: Pick<Revocations, "revoke">;
  users: Users;
  throttle: Throttle;
}

const registration = z.object({ username: text, password: text, kind: text });
const credentials = z.object({ username: text, password: text });

const registered = fixed(201, { errMsg: "" });
const notJson = refusal(400, "Only receive JSON format.");
const nameTooShort = refusal(400, "User name too short.");
const passwordTooShort = refusal(400, "Password too short.");
const kindEmpty = refusal(400, "Empty field of kind.");
const taken = refusal(400, "Insert user failed. Maybe user name duplicates.");
const nameUnusable = refusal(
  400,
  "Insert user failed. Use a name without control characters and without spaces at its ends.",
);
const passwordTooLong = refusal(
  400,
  `Insert user failed. Use a password of at most ${limits.passwordBytesMax} bytes.`,
);

const notJsonLogIn = fixed(400, { errMsg: "Parse JSON format fail.", kind: "" });
const noSuchUser = fixed(401, { errMsg: "No such queryUser.", kind: "" });
const busyLogIn = fixed(503, { errMsg: "The service is busy. Try again in a moment.", kind: "" });
const loggedOut = fixed(200, { errMsg: "log out." });

const TOO_OFTEN = "Too many attempts. Try again later.";

export function createAccounts({ config, tokens, revocations, users, throttle }: AccountDeps) {
  const addressOf = (request: Request, server: Server<unknown> | undefined) =>
    countedAddress(
      server?.requestIP(request)?.address,
      request.headers.get("x-forwarded-for"),
      config.trustProxy,
    );

  return {
    async register(request: Request, server: Server<unknown> | undefined): Promise<Response> {
      const body = await readBody(request, registration);
      if (!body.ok) return body.reason === "malformed" ? notJson() : unreadable[body.reason]();
      const { username, password, kind } = body.value;
      if (username === "") return nameTooShort();
      if (password === "") return passwordTooShort();
      if (kind === "") return kindEmpty();
      if (!isOpenKind(kind)) return refuse(400, `Unexpected value of kind, ${kind}`);
      // The originals answer a name that is too long like one that is taken.
      if (countChars(username) > limits.usernameCharsMax) return taken();
      if (!isAcceptableName(username)) return nameUnusable();
      if (Buffer.byteLength(password) > limits.passwordBytesMax) return passwordTooLong();
      const address = addressOf(request, server);
      const waitSeconds = await throttle.register({ name: username, address });
      if (waitSeconds > 0) return refuse(429, TOO_OFTEN, { "Retry-After": String(waitSeconds) });
      const outcome = await users.register({ username, password, kind });
      if (outcome.kind === "busy") return busy();
      return outcome.kind === "created" ? registered() : taken();
    },

    async logIn(request: Request, server: Server<unknown> | undefined): Promise<Response> {
      const body = await readBody(request, credentials);
      if (!body.ok) return body.reason === "malformed" ? notJsonLogIn() : unreadable[body.reason]();
      const { username, password } = body.value;
      const waitSeconds = await throttle.logIn({
        name: username,
        address: addressOf(request, server),
      });
      if (waitSeconds > 0) {
        const wait = { "Retry-After": String(waitSeconds) };
        return json(429, { errMsg: TOO_OFTEN, kind: "" }, wait);
      }
      const outcome = await users.logIn({ username, password });
      switch (outcome.kind) {
        case "busy":
          return busyLogIn();
        case "unknown":
          return noSuchUser();
        case "wrong_password":
          return json(401, { errMsg: "Password mismatched.", kind: outcome.user.kind });
        case "ok": {
          const { user, since } = outcome;
          // The originals' clients look for this spelling; Bun sends names as they are written here.
          const Authorization = await tokens.issue({ ...user, since });
          const own = { Authorization, "Cache-Control": "no-store" };
          return json(200, { errMsg: "", kind: user.kind }, own);
        }
      }
    },

    async logOut(request: Request): Promise<Response> {
      const check = tokens.verify(request.headers.get("authorization"));
      if (check.ok) await revocations.revoke(check.claims.tokenId, check.claims.expiresAt);
      return loggedOut();
    },
  };
}

import type { SecretSeen } from "../config.ts";
import { type Check, failure, ok, warning } from "./check.ts";

/** What there is to say of the secrets; never the secrets themselves. */
export const checkSecrets = (seen: readonly SecretSeen[]): Check[] =>
  seen.map(({ name, given, problem }) => {
    if (!given) {
      return warning(
        name,
        "not set here",
        "Run the doctor with the environment of the service, so that it can look at it.",
      );
    }
    if (problem === undefined) return ok(name, "strong enough, as far as one can see");
    return failure(
      name,
      problem,
      name === "JWT_SECRET"
        ? "Draw one: openssl rand -base64 48. With another JWT_SECRET all tokens stop being valid."
        : "Draw one: openssl rand -base64 48, and put it in front of the old ones, with a comma: sales need the secret that they were made with.",
    );
  });

import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { z } from "zod";
import { CannotStart } from "./errors.ts";

const secretsSchema = z.object({ JWT_SECRET: z.string(), CODE_SECRET: z.string() });

export type Secrets = z.infer<typeof secretsSchema>;

const draw = (): string => randomBytes(48).toString("base64url");

/**
 * The secrets of this data folder, drawn at the first start and the same ever after: with others, tokens
 * and coupon codes that are already out would stop being good. Only the owner may read the file.
 */
export function loadSecrets(path: string): Secrets {
  if (!existsSync(path)) {
    const drawn = { JWT_SECRET: draw(), CODE_SECRET: draw() };
    // Complete under another name first, so that a killed start leaves no half a file.
    const draft = `${path}.new`;
    writeFileSync(draft, `${JSON.stringify(drawn, null, 2)}\n`, { mode: 0o600 });
    renameSync(draft, path);
  }
  try {
    return secretsSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    throw new CannotStart(
      `${path} is damaged. Put it back from a copy; or remove it, and all tokens that were issued stop being valid.`,
    );
  }
}

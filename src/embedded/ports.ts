import { CannotStart } from "./errors.ts";

/**
 * Throws `CannotStart` when somebody listens on the port. Asked before the servers are started, so that
 * this answer comes at once; without `reusePort`, so that a service that shares its port is noticed too.
 */
export function demandFreePort(setting: string, hostname: string, port: number): void {
  if (port === 0) return;
  try {
    Bun.listen({ hostname, port, socket: { data() {} } }).stop(true);
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (code === "EADDRINUSE") {
      throw new CannotStart(
        `Port ${port} is taken by another program. Choose a free one with ${setting}, for example:\n  ${setting}=${port + 1} npm start`,
      );
    }
    if (code === "EACCES") {
      throw new CannotStart(
        `Port ${port} needs rights that this user does not have. Choose one above 1023 with ${setting}.`,
      );
    }
    throw new CannotStart(`Cannot listen on ${hostname}, port ${port}: ${String(error)}`);
  }
}

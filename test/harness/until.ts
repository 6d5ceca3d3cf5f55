/** How long a condition may take before a test gives up on it, in milliseconds. */
const GIVE_UP_MS = 10_000;
const PAUSE_MS = 10;

/**
 * Waits until `condition` returns something truthy, and returns that. Tests use this instead of sleeping.
 * `what` completes "waited for …" in the error when it gives up after `withinMs`; an error that the
 * condition throws counts as "not yet", and the last one is in the message.
 */
export async function until<Value>(
  what: string,
  condition: () => Value | Promise<Value>,
  { withinMs = GIVE_UP_MS }: { withinMs?: number } = {},
): Promise<NonNullable<Value>> {
  const deadline = performance.now() + withinMs;
  let last: unknown;
  do {
    try {
      last = await condition();
      if (last) return last as NonNullable<Value>;
    } catch (error) {
      last = error;
    }
    await Bun.sleep(PAUSE_MS);
  } while (performance.now() < deadline);
  const seen = last instanceof Error ? last.message : JSON.stringify(last);
  throw new Error(`waited for ${what}, in vain for ${withinMs} ms; last seen: ${seen}`);
}

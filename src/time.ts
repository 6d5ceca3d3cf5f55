/** An instant, in milliseconds since the epoch, as answers show it: RFC 3339 in UTC. null stays null. */
export const timeOf = (ms: number | null): string | null =>
  ms === null ? null : new Date(ms).toISOString();

/** The fields of an answer to Redis's INFO, by name. */
export const fieldsOf = (info: string): Map<string, string> =>
  new Map(
    [...info.matchAll(/^(\w+):(.*?)\r?$/gm)].map(([, name = "", value = ""]) => [name, value]),
  );

// Which methods a path has, for the Allow header of a 405.

const matcherOf = (pattern: string): RegExp =>
  new RegExp(`^${pattern.replaceAll(/:\w+/g, "[^/]+")}$`);

/** Answers, for a path, the methods of those routes whose pattern it fits. */
export function methodsIn(
  routes: readonly { readonly method: string; readonly pattern: string }[],
): (path: string) => string[] {
  const known = routes.map(({ method, pattern }) => ({ method, matcher: matcherOf(pattern) }));
  return (path) => [
    ...new Set(known.filter(({ matcher }) => matcher.test(path)).map(({ method }) => method)),
  ];
}

/** Why the launcher cannot go on, in words for the person who started it: shown without a stack. */
export class CannotStart extends Error {}

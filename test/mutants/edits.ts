// How a mutant is made of a text of the product. An edit that does not apply exactly is an error: then the mutant
// has to follow the product, or it tests nothing.

export type Edit = (text: string) => string;

/** Replaces a passage that must occur exactly once. */
export const replace =
  (passage: string, by: string): Edit =>
  (text) => {
    const parts = text.split(passage);
    if (parts.length !== 2) throw new Error(`${parts.length - 1} times in the text: ${passage}`);
    return parts.join(by);
  };

/** Moves what stands from `start` up to `end` to the place before `target`. */
export const move =
  (start: string, end: string, target: string): Edit =>
  (text) => {
    const from = text.indexOf(start);
    const passage = text.slice(from, text.indexOf(end, from));
    if (from < 0 || passage === "") throw new Error(`not in the text: ${start} … ${end}`);
    return replace(target, passage + target)(replace(passage, "")(text));
  };

/** One edit after the other. */
export const all =
  (...edits: readonly Edit[]): Edit =>
  (text) =>
    edits.reduce((edited, edit) => edit(edited), text);

/** How many characters (code points) a text has, as people count them and as the limits mean them. */
export const countChars = (text: string): number => Array.from(text).length;

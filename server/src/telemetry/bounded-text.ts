/** Enough for all texts of ours. */
const MAX_LENGTH = 256;

/** What clients choose, as a line of the log may have it: of a limited length, and without what no terminal should get. */
export function boundedText(text: string, maxLength = MAX_LENGTH): string {
  return text.slice(0, maxLength).replace(/\p{C}/gu, "?");
}

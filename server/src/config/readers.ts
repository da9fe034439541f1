/** A variable's text to its value. Throws a sentence that begins after the variable's name. */
export type Reader<T> = (text: string | undefined) => T;

export function wholeNumber(fallback: number, min: number, max: number): Reader<number> {
  return (text) => {
    const value = text === undefined ? fallback : /^\d+$/.test(text) ? Number(text) : NaN;
    if (value >= min && value <= max) return value;
    throw new Error(`must be a whole number from ${String(min)} to ${String(max)}`);
  };
}

/** What may be left unsaid: then it is `undefined`, and what else is set decides. */
export const onOrOff: Reader<boolean | undefined> = (text) => {
  if (text === undefined) return undefined;
  if (text !== "on" && text !== "off") throw new Error("must be on or off");
  return text === "on";
};

export function list(text: string | undefined): string[] | undefined {
  const items = text
    ?.split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
  if (items?.length === 0) throw new Error("holds only commas: name at least one, or unset it");
  return items;
}

import { list } from "./readers.js";

/** The star stands for one label or more in front of a host name: `https://*.example.com`. */
const WILDCARD = /:\/\/\*\.(?=[^.:])/;

/** Origins as browsers write them, and patterns of them. */
export function readOrigins(text: string | undefined): string[] | undefined {
  const origins = list(text);
  const bad = origins?.find((origin) => !isOrigin(origin.replace(WILDCARD, "://any.")));
  if (bad === undefined) return origins;
  throw new Error(
    "must be origins as browsers write them, such as https://example.com, https://*.example.com or capacitor://localhost, separated by commas",
  );
}

/** Whether it is what a browser would send, letter for letter. `null` is not: any page can send it. */
function isOrigin(text: string): boolean {
  if (text.includes("*") || !URL.canParse(text)) return false;
  const { origin, protocol, host } = new URL(text);
  if (origin !== "null") return origin === text;
  // The standard gives no origin to schemes that apps have made for themselves; browsers in apps do.
  return `${protocol}//${host}` === text;
}

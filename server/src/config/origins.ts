import { list } from "./readers.js";

/** The star stands for one label or more in front of a host name: `https://*.example.com`. */
const WILDCARD = /:\/\/\*\.(?=[^.:])/;
/** What of a wrong entry is told. */
const MAX_TOLD = 100;

const SHAPE = "https://example.com, https://*.example.com or capacitor://localhost";

/** Origins as browsers write them, and patterns of them. */
export function readOrigins(text: string | undefined): string[] | undefined {
  const origins = list(text);
  for (const [index, origin] of origins?.entries() ?? []) {
    const problem = problemOf(origin);
    if (problem === undefined) continue;
    // One that holds a password is not repeated.
    const name = origin.includes("@") ? `number ${String(index + 1)}` : quote(origin);
    throw new Error(`has an entry that no page can match: ${name} ${problem}`);
  }
  return origins;
}

/** Why no browser sends this, letter for letter, if so. */
function problemOf(entry: string): string | undefined {
  if (/\s/.test(entry)) return "holds a blank: origins are separated by commas";
  if (entry === "*") return "is for any page: leave the variable unset to let in all";
  if (entry === "null") return "is what any page can send: it cannot be let in";
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(entry)) {
    return `lacks its scheme: write it like ${SHAPE}`;
  }
  const concrete = entry.replace(WILDCARD, "://any.");
  if (concrete.includes("*")) {
    return "has a star elsewhere than for all labels in front of a host name: https://*.example.com";
  }
  if (!URL.canParse(concrete)) return `is no origin: write it like ${SHAPE}`;
  return problemOfUrl(concrete, new URL(concrete));
}

function problemOfUrl(text: string, url: URL): string | undefined {
  const { protocol, host, username, password } = url;
  if (protocol === "file:")
    return "is of pages in files: their browsers send null, as any page can";
  if (protocol === "ws:" || protocol === "wss:" || protocol === "ftp:") {
    return "names how it connects: write where the page comes from, https:// or http://";
  }
  if (username !== "" || password !== "") return "has a user or a password: leave them out";
  if (host === "") return `names no host: write it like ${SHAPE}`;
  // The standard gives no origin to schemes that apps have made for themselves; browsers in apps do.
  const origin = url.origin === "null" ? `${protocol}//${host}` : url.origin;
  if (origin === text) return undefined;
  if (text.slice(0, -1) === origin) return "has a slash at its end: leave it out";
  if (text.toLowerCase().startsWith(origin) && /[/?#]/.test(text.slice(origin.length))) {
    return "must end behind its host and port: leave out the rest";
  }
  const told = origin.replace("://any.", "://*.");
  return `is not how browsers write it: that is ${quote(told)}`;
}

function quote(text: string): string {
  return JSON.stringify(text.length > MAX_TOLD ? `${text.slice(0, MAX_TOLD)}...` : text);
}

/** Shorter names are near to too much that is none of ours: `PORT` to `PATH`, `NODE_ID` to `NODE_IP`. */
const MIN_LENGTH = 8;
/** From so many letters on two may be wrong. */
const LONG = 12;
/** Said in front of ours by whoever keeps the variables of several programs apart. */
const PREFIX = /^INTHON_/;
/** What others call a word of ours. */
const OUR_WORDS: Readonly<Record<string, string>> = {
  ADDR: "ADDRESS",
  IP: "ADDRESS",
  CONNS: "CONNECTIONS",
  MILLISECONDS: "MS",
  PROXIES: "PROXY",
  TRUSTED: "TRUST",
  SEC: "S",
  SECONDS: "S",
  SECS: "S",
  SESSION: "ROOM",
  URI: "URL",
};
/** What others have a variable for each of. `REDIS_PORT` is no sign: Kubernetes sets it for a Service of that name. */
const IN_REDIS_URL =
  /^REDIS_(?:(?:CLUSTERS?|SENTINELS?|MASTER|PRIMARY)(?:_(?:URLS?|URI|HOSTS?|NODES?|NAME|MASTER|MASTER_NAME|SERVICE_NAME|ADDRS?|ADDRESSES|ENDPOINTS?|ENABLED|MODE|USER|USERNAME|PASSWORD))?|URLS|HOSTS?|SERVERS?|NODES?|ADDRS?|ADDRESSES|ENDPOINTS?|MODE|USER|USERNAME|PASSWORD|PASS|AUTH|DSN|TLS|SSL)$/;

/** What Kubernetes sets for each Service, whatever its name is. */
const OF_A_SERVICE = /_(SERVICE_(HOST|PORT)(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/;

/**
 * Variables that are none of ours, and that somebody has set who meant one of ours: mistyped, with more behind it or
 * less, or in small letters. Where the one that is meant is set as well, the other belongs to somebody else.
 *
 * @returns a line for each
 */
export function findMisspelt(
  environment: Readonly<Record<string, string | undefined>>,
  ours: readonly string[],
): string[] {
  const unset = ours.filter((name) => name.length >= MIN_LENGTH && !environment[name]);
  return Object.keys(environment).flatMap((name) => {
    if (ours.includes(name) || OF_A_SERVICE.test(name) || !/^[\w.-]+$/.test(name)) return [];
    const written = name.toUpperCase().replaceAll(/[-.]/g, "_").replace(PREFIX, "");
    const meant =
      unset.find((one) => one === written) ??
      unset.find((one) => one === inOurWords(written)) ??
      unset.find((one) => isNear(written, one));
    return meant === undefined ? [] : [`${name}: not a setting of this server: is ${meant} meant?`];
  });
}

function inOurWords(written: string): string {
  if (IN_REDIS_URL.test(written)) return "REDIS_URL";
  const words = written.split("_").map((word) => OUR_WORDS[word] ?? word);
  return words.join("_").replace(/^CORS_(?:ALLOWED_)?ORIGINS?$/, "ALLOWED_ORIGINS");
}

function isNear(written: string, meant: string): boolean {
  if (written.length < MIN_LENGTH - 1) return false;
  if (written.startsWith(`${meant}_`)) return true;
  // One word alone is anybody's.
  if (written.includes("_") && meant.startsWith(`${written}_`)) return true;
  const most = meant.length < LONG ? 1 : 2;
  return Math.abs(written.length - meant.length) <= most && distance(written, meant, most) <= most;
}

/**
 * How many letters are wrong, missing, too many, or changed places with the next one (optimal string alignment); any number
 * above `most` where there are more: nearly all names differ after some letters, and each start waits for all of them.
 */
function distance(a: string, b: string, most: number): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number) => rows[i]?.[j] ?? Infinity;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      const isSwapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(
        Math.min(
          at(i - 1, j) + 1,
          at(i, j - 1) + 1,
          at(i - 1, j - 1) + (isSame ? 0 : 1),
          isSwapped ? at(i - 2, j - 2) + 1 : Infinity,
        ),
      );
    }
    // A swap goes two rows back, and costs one itself.
    if (Math.min(...row) > most && Math.min(...(rows[i - 1] ?? [])) >= most) return Infinity;
  }
  return at(a.length, b.length);
}

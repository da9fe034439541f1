// With `npm run cluster` alone: the address that it prints has a token behind #, for a door by which a replica is killed.
// Its load balancer tells a page that names itself which replica has its connection, in a cookie.

const KEPT = "inthon-cluster";
const TIMEOUT_MS = 5_000;

const given = new URLSearchParams(location.hash.slice(1)).get("cluster");
if (given) sessionStorage.setItem(KEPT, given);
const token = sessionStorage.getItem(KEPT);

/** Whether this page was opened by the address of such a cluster. */
export const hasDoor = token !== null;

/** Names a connection to the load balancer. @returns a function that tells which replica has it, once it is open */
export function nameConnection(url) {
  if (!hasDoor) return () => undefined;
  const name = crypto.getRandomValues(new Uint32Array(1))[0].toString(36);
  url.searchParams.set("page", name);
  const cookie = new RegExp(`(?:^|; )inthon-replica-${name}=(?:unready-)?([\\w.-]+)`);
  return () => cookie.exec(document.cookie)?.[1];
}

/** Has a replica killed. @returns `undefined`, or why not: `"away"` where another one is, else `"failed"` */
export async function killReplica(replica) {
  try {
    const response = await fetch(`/cluster/kill?${new URLSearchParams({ replica })}`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (response.ok) return undefined;
    const { code } = await response.json();
    return code === "away" ? "away" : "failed";
  } catch {
    return "failed";
  }
}

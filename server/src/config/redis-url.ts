/** Where the replicas meet. */
export type ClusterConfig =
  { readonly kind: "memory" } | { readonly kind: "redis"; readonly url: string };

// The text itself never appears in a message: it may hold a password.
export function readRedisUrl(text: string | undefined): ClusterConfig {
  if (text === undefined) return { kind: "memory" };
  if (/^redis\+(cluster|sentinel):/.test(text)) {
    throw new Error("names a Redis Cluster or Sentinel, which this version does not support yet");
  }
  if (!isRedisUrl(text)) {
    throw new Error("must be redis:// or rediss://, then user and password if any, host and port");
  }
  if (Number(new URL(text).pathname.slice(1)) !== 0) {
    throw new Error(
      "names a database number, but Pub/Sub has none, so two databases of one Redis would hear each other: leave it out, and use another Redis to keep things apart",
    );
  }
  return { kind: "redis", url: text };
}

function isRedisUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, pathname, username, password } = new URL(text);
  try {
    decodeURIComponent(username + password);
  } catch {
    return false;
  }
  return /^rediss?:$/.test(protocol) && /^\/?\d*$/.test(pathname);
}

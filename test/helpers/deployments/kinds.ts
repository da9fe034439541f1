/** How Redis may be deployed: alone, a primary with two replicas and three Sentinels, three masters with a replica each. */
export const REDIS_KINDS = ["standalone", "sentinel", "cluster"] as const;
export type RedisKind = (typeof REDIS_KINDS)[number];

/** By this variable, a run of tests is about one kind, and about nothing else: see {@link kindOfRun}. */
export const REDIS_KIND = "INTHON_REDIS";
/** By this one it has TLS, certificates of clients, and the README's users. */
export const REDIS_SECURED = "INTHON_REDIS_SECURED";

/** What this run of tests is about, if it is not about all that is tested by default. */
export function kindOfRun(): RedisKind | undefined {
  const wanted = process.env[REDIS_KIND] ?? "";
  if (wanted === "") return undefined;
  const found = REDIS_KINDS.find((kind) => kind === wanted);
  if (!found) throw new Error(`${REDIS_KIND}: one of ${REDIS_KINDS.join(", ")}`);
  return found;
}

/** Whether this run of tests is about a Redis that lets nobody in whom the README does not name. */
export function isRunSecured(): boolean {
  return (process.env[REDIS_SECURED] ?? "") !== "";
}

/** How many tests of a file may run side by side, each with a Redis of its own: one where that is many processes. */
export function jobsOfRun(alone: number): number {
  return (kindOfRun() ?? "standalone") === "standalone" ? alone : 1;
}

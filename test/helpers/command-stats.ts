/** How often Redis has run each command, those in scripts included. */
export async function commandCounts(redis: {
  info(section: string): Promise<string>;
}): Promise<Map<string, number>> {
  const stats = await redis.info("commandstats");
  return new Map(
    [...stats.matchAll(/cmdstat_(\S+?):calls=(\d+)/g)].map(([, name = "", calls]) => [
      name,
      Number(calls),
    ]),
  );
}

/** What was run between two counts. */
export function commandsBetween(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
): Map<string, number> {
  return new Map(
    [...after]
      .map(([command, calls]) => [command, calls - (before.get(command) ?? 0)] as const)
      .filter(([, calls]) => calls > 0),
  );
}

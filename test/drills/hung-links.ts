import { OptionError } from "../chaos/options.js";
import {
  HUNG_EMITTERS,
  HUNG_LINKS,
  timeHungEmitter,
  timeHungLink,
} from "../links/helpers/hung-links.js";

/** What the README promises, with the default settings. */
const LIMIT_MS = 10_000;

/**
 * `npm run drill -- hung-links`: how long it takes from a link to Redis that hangs to service, for each link and
 * direction, with the defaults.
 *
 * @returns whether all were in service again in time
 */
export async function runHungLinks(
  args: readonly string[],
  print: (line: string) => void,
): Promise<boolean> {
  if (args.length > 0) throw new OptionError("hung-links has no options");
  const drills = [
    ...HUNG_LINKS.map((link) => [link, timeHungLink] as const),
    ...HUNG_EMITTERS.map((link) => [link, timeHungEmitter] as const),
  ];
  print(row("what hangs", "not ready after", "in service after"));
  let isInTime = true;
  for (const [link, time] of drills) {
    const { noticedMs, serviceMs } = await time(link);
    print(row(link.name, noticedMs === undefined ? "" : seconds(noticedMs), seconds(serviceMs)));
    isInTime &&= serviceMs <= LIMIT_MS;
  }
  return isInTime;
}

function row(name: string, noticed: string, service: string): string {
  return `${name.padEnd(55)}${noticed.padEnd(18)}${service}`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

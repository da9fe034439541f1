import { compile } from "@fastify/proxy-addr";
import { list } from "./readers.js";

/**
 * Whose word on a client's address is taken: of everybody (`true`), of nobody, as clients connect directly (`false`), of so
 * many proxies in a row, or of proxies with these addresses. `undefined` where the operator has not said.
 */
export type TrustProxy = boolean | number | readonly string[] | undefined;

const MAX_HOPS = 32;

export function readTrustProxy(text: string | undefined): TrustProxy {
  if (text === undefined) return undefined;
  if (text === "true" || text === "false") return text === "true";
  const hops = Number(text);
  if (Number.isInteger(hops) && hops >= 1 && hops <= MAX_HOPS) return hops;
  const proxies = list(text) ?? [];
  try {
    if (!Number.isNaN(hops)) throw new Error("a number of proxies that is none");
    compile(proxies);
    return proxies;
  } catch {
    throw new Error(
      `must be true, false, the number of proxies from 1 to ${String(MAX_HOPS)}, or their addresses such as 10.0.0.0/8, separated by commas`,
    );
  }
}

import * as module from "node:module";

/** From Node.js 22.8 on: its types here are those of 20. */
interface CompileCache {
  enableCompileCache?(): unknown;
}

/**
 * Has Node.js keep what it compiles, in its directory for that or below that of `NODE_COMPILE_CACHE`: the next start has
 * it. Where it cannot write there, it goes without.
 */
export function keepCompiledCode(): void {
  (module as CompileCache).enableCompileCache?.();
}

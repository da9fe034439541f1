import { statSync } from "node:fs";
import { keepCompiledCode } from "./keep-compiled-code.js";
import { optimizeSooner } from "./optimize-sooner.js";
import type * as ToServe from "./serve.js";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

// Before anything else is loaded. Loading takes longer than all the rest of a start, and to process 1 of a container a
// signal that it does not listen for does nothing: it would be killed, a minute later. Nothing has to be closed yet.
for (const signal of SIGNALS) process.on(signal, endAtOnce);
optimizeSooner();
keepCompiledCode();
const { serve } = (await import(
  isFresh("serve.bundle.js") ? "./serve.bundle.js" : "./serve.js"
)) as typeof ToServe;
// It listens for signals itself by the time that it returns: also one that came while it was loaded finds it.
const serving = serve();
for (const signal of SIGNALS) process.off(signal, endAtOnce);
await serving;

function endAtOnce(signal: NodeJS.Signals): never {
  process.stderr.write(`${signal}: it ends before it has begun to listen\n`);
  process.exit(0);
}

/** Whether the bundle holds what has been compiled, of the packages that are installed. */
function isFresh(bundle: string): boolean {
  const contents = [
    "tsconfig.tsbuildinfo",
    "../../emitter/dist/tsconfig.tsbuildinfo",
    "../../package-lock.json",
  ];
  return modifiedMs(bundle) > Math.max(...contents.map(modifiedMs));
}

function modifiedMs(path: string): number {
  return statSync(new URL(path, import.meta.url), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

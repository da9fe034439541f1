import { statSync } from "node:fs";
import { keepCompiledCode } from "./keep-compiled-code.js";
import { optimizeSooner } from "./optimize-sooner.js";

// Before anything else is loaded.
optimizeSooner();
keepCompiledCode();
await import(isFresh("serve.bundle.js") ? "./serve.bundle.js" : "./serve.js");

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

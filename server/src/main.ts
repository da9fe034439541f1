import { keepCompiledCode } from "./keep-compiled-code.js";
import { optimizeSooner } from "./optimize-sooner.js";

// Before anything else is loaded.
optimizeSooner();
keepCompiledCode();
await import("./serve.js");

import { loadBundle } from "./bundle.js";
import { optimizeSooner } from "./optimize-sooner.js";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

// Before anything else is loaded. Loading takes longer than all the rest of a start, and to process 1 of a container a
// signal that it does not listen for does nothing: it would be killed, a minute later. Nothing has to be closed yet.
for (const signal of SIGNALS) process.on(signal, endAtOnce);
optimizeSooner();
const { serve } = loadBundle()?.exports ?? (await import("./serve.js"));
// It listens for signals itself by the time that it returns: also one that came while it was loaded finds it.
const serving = serve();
for (const signal of SIGNALS) process.off(signal, endAtOnce);
await serving;

function endAtOnce(signal: NodeJS.Signals): never {
  process.stderr.write(`${signal}: it ends before it has begun to listen\n`);
  process.exit(0);
}

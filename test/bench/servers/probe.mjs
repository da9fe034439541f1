// Preloaded into a server under test, beside --expose-gc: tells how much memory it holds after a full collection, when
// asked by a signal. Until then it does nothing. SIGWINCH, because close-with-grace takes SIGUSR2 for the end, and
// Node.js takes SIGUSR1 for its debugger.
import console from "node:console";
import process from "node:process";

const COLLECTIONS = 4;

process.on("SIGWINCH", () => {
  // What one collection frees through finalizers is gone after the next one.
  for (let i = 0; i < COLLECTIONS; i++) globalThis.gc();
  console.log(JSON.stringify({ msg: "memory", ...process.memoryUsage() }));
});

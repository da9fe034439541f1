/** `npm run fuzz -- --seconds 600 --seed 1`: sends what strangers might send to a server, and tells what came of it. */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { fuzz } from "./run.js";
import { faultsOf } from "./verdict.js";

const { values } = parseArgs({
  options: {
    main: { type: "string" },
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: String(randomInt(2 ** 31)) },
  },
});
const [seconds, seed] = [Number(values.seconds), Number(values.seed)];
if (!Number.isSafeInteger(seconds) || !Number.isSafeInteger(seed) || seconds < 1 || seed < 0) {
  process.stderr.write("--seconds and --seed must be whole numbers\n");
  process.exit(1);
}
const print = (text: string) => {
  process.stdout.write(`${text}\n`);
};
print(`Fuzzing for ${String(seconds)} s. To repeat it: --seed ${String(seed)}`);
const report = await fuzz({ inputs: 1, seconds, seed, main: values.main, onProgress: print });
const faults = faultsOf(report);
const { inputs, longestMs, descriptorsLeft, bytesLeft } = report;
print(
  `${String(inputs)} inputs; the longest answer to who behaves took ${longestMs.toFixed(0)} ms; ` +
    `left behind: ${String(descriptorsLeft)} descriptors, ${String(Math.round(bytesLeft / 1024))} KB`,
);
for (const fault of faults) print(`FAULT ${fault}`);
process.exit(faults.length === 0 ? 0 : 1);

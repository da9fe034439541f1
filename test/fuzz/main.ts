/**
 * `npm run fuzz -- --seconds 600 --seed 1`: sends what strangers might send to a server, and tells what came of it:
 * exits with 0 where the server has stood it, with 1 where it has not, and with 2 where something could not be found out.
 */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { fuzz } from "./run.js";

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
print(report.summary());
const faults = report.faults();
for (const fault of faults) print(`FAULT ${fault}`);
for (const why of report.unknown) print(`UNKNOWN ${why}`);
process.exit(faults.length > 0 ? 1 : report.unknown.length > 0 ? 2 : 0);

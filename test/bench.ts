/** `npm run bench`, `npm run bench -- --quick`: measures our server against the stock one, in one run and in turn. */
import { Lab } from "./bench/lab.js";
import { OptionError, parseOptions, type BenchOptions } from "./bench/options.js";
import { pin } from "./bench/pinning.js";
import { isGood } from "./bench/results.js";
import { measureRows } from "./bench/run.js";
import { FULL, QUICK } from "./bench/sizes.js";
import { formatTable } from "./bench/table.js";

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function readOptions(): BenchOptions {
  try {
    return parseOptions(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}

const options = readOptions();
const sizes = options.quick ? QUICK : FULL;
const pinning = pin();
const lab = await Lab.open({
  pinning,
  sizes,
  rounds: options.rounds ?? sizes.rounds,
  node: options.node,
  tolerancePercent: options.tolerance,
  print,
});
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    void lab.close().finally(() => process.exit(1));
  });
}
print(pinning.note);
const results = await measureRows(lab, options.rows);
await lab.close();
print(formatTable(results));
process.exit(results.every(isGood) ? 0 : 1);

/**
 * `npm run clients`: real clients in a table, `-- --only firefox,java` those whose names contain one of these. What it
 * lacks it installs where that goes without asking; what cannot be had is named, and not run. Exit code 1 where a row fails.
 */
import { parseArgs } from "node:util";
import { CLIENTS, PUBLISHERS } from "./clients.js";
import { DJANGO, moveFromDjango } from "./from-django.js";
import { teach } from "./lesson.js";
import { publishAll } from "./publishers.js";
import { tableOf } from "./table.js";

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

const { values } = parseArgs({ options: { only: { type: "string", default: "" } } });
const wanted = values.only.toLowerCase().split(",");
const chosen = <T extends { readonly name: string }>(all: readonly T[]): readonly T[] =>
  all.filter(({ name }) => wanted.some((one) => name.toLowerCase().includes(one)));

const clients = chosen(CLIENTS);
const results = [
  ...(clients.length > 0 ? await teach(clients, print) : []),
  ...(await publishAll(chosen(PUBLISHERS))),
  ...(chosen([{ name: DJANGO }]).length > 0 ? [await moveFromDjango(print)] : []),
];
print(`\n${tableOf(results)}`);
process.exitCode = results.some(({ fault }) => fault !== undefined) || results.length === 0 ? 1 : 0;

/**
 * `npm run check:dependencies`: what is known of the production dependencies. Lists their licences, and fails on one that
 * is not allowed; asks the registry for known vulnerabilities, and fails on any. A registry that does not answer that
 * question is said, and fails nothing.
 */
import { execFile } from "node:child_process";
import { pathToFileURL } from "node:url";
import { judgeAudit, judgeLicences, type Judgement } from "./judgements.js";

const TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** What npm prints, whatever its exit code: it is 1 where it has found something. */
function npm(...args: string[]): Promise<string> {
  return new Promise((resolve) => {
    const options = { timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES };
    execFile("npm", args, options, (_error, stdout) => {
      resolve(stdout);
    });
  });
}

async function main(): Promise<void> {
  const judgements: Judgement[] = [
    judgeLicences(await npm("sbom", "--omit=dev", "--sbom-format=cyclonedx")),
    judgeAudit(await npm("audit", "--omit=dev", "--json")),
  ];
  for (const { text, isFine } of judgements) {
    process.stdout.write(`${text}\n`);
    if (!isFine) process.exitCode = 1;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await main();

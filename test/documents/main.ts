/**
 * `npm run check:documents`: both documents of a built server by their parsers, that of AsyncAPI its official one, which it
 * fetches. Exit code 1 where one of them finds a fault, or finds none in a document that has one.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { compileErrors, validate } from "@readme/openapi-parser";
import { startServer } from "../helpers/processes/server-process.js";
import { installedVersion, npmInstall } from "../helpers/tools/npm-install.js";
import { fetchDocument, type Document } from "./helpers/documents.js";

const PARSER = "@asyncapi/parser";

const OPENAPI_FAULT: Document = { paths: { "/x": { get: { responses: { 200: {} } } } } };
const ASYNCAPI_FAULT: Document = { operations: { x: { action: "tell" } } };

/** What of `@asyncapi/parser` is used here. */
interface AsyncApiParser {
  parse(text: string): Promise<{
    readonly document?: unknown;
    readonly diagnostics: readonly {
      /** 0 is an error. */
      readonly severity: number;
      readonly message: string;
      readonly path: readonly (string | number)[];
    }[];
  }>;
}

/** @returns the faults that it finds */
type Check = (document: Document) => Promise<readonly string[]>;

async function asyncApiCheck(): Promise<{ readonly by: string; readonly check: Check }> {
  const dir = await npmInstall("asyncapi-parser", [PARSER]);
  const require = createRequire(join(dir, "package.json"));
  const { Parser } = require(PARSER) as { readonly Parser: new () => AsyncApiParser };
  const parser = new Parser();
  return {
    by: `${PARSER} ${installedVersion(dir, PARSER)}`,
    check: async (document) => {
      const { document: parsed, diagnostics } = await parser.parse(JSON.stringify(document));
      const faults = diagnostics
        .filter(({ severity }) => severity === 0)
        .map(({ path, message }) => `${path.join(".")}: ${message}`);
      return parsed === undefined && faults.length === 0 ? ["it is no document"] : faults;
    },
  };
}

const openApiCheck: Check = async (document) => {
  const found = await validate(structuredClone(document) as never);
  return found.valid ? [] : [compileErrors(found)];
};

async function main(): Promise<boolean> {
  const asyncApi = await asyncApiCheck();
  const server = await startServer({ env: { DOCS: "on" } });
  try {
    const checks = [
      ["openapi", "@readme/openapi-parser", openApiCheck, OPENAPI_FAULT],
      ["asyncapi", asyncApi.by, asyncApi.check, ASYNCAPI_FAULT],
    ] as const;
    let isGood = true;
    for (const [name, by, check, fault] of checks) {
      const document = await fetchDocument(server.url, name);
      const faults = await check(document);
      const missed = (await check({ ...document, ...fault })).length === 0;
      process.stdout.write(`${name}.json passes ${by}: ${faults.length === 0 ? "yes" : "no"}\n`);
      for (const one of faults) process.stdout.write(`  ${one}\n`);
      if (missed) process.stdout.write("  and a fault that was made in it is not found\n");
      isGood &&= faults.length === 0 && !missed;
    }
    return isGood;
  } finally {
    await server.stop();
  }
}

process.exitCode = (await main()) ? 0 : 1;

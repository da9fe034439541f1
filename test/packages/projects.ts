/** One empty project that takes the emitter's tarball. */
export interface Project {
  readonly name: string;
  /** A version of the npm package `node`. */
  readonly node: string;
  /** What it installs besides. */
  readonly packages?: readonly string[];
  readonly manifest?: object;
  readonly files: Readonly<Record<string, string>>;
  /** What makes its programs, as lines of `node_modules/.bin`. */
  readonly compile?: readonly (readonly string[])[];
  /** What publishes, each once: arguments of Node.js. */
  readonly programs: readonly (readonly string[])[];
}

const PUBLISH = `
  const emitter = await connect(process.env.TARGET);
  const { offsets } = await emitter.emit(process.env.SESSION, "important", { note: "hello", capture_url: null });
  await emitter.close();
`;
const IMPORT = 'import { connect, EmitterError } from "@inthon/emitter";\n';
const REQUIRE = 'const { connect, EmitterError } = require("@inthon/emitter");\n';

const ESM = IMPORT + PUBLISH;
const CJS = `${REQUIRE}async function main() {${PUBLISH}}\nmain();\n`;
const TYPED = `import { connect, EmitterError, type PublishResult } from "@inthon/emitter";
import { ROLES, type ClassroomEvent } from "@inthon/emitter/protocol";
import { parseEvent } from "@inthon/emitter/validate";
async function main(): Promise<void> {
  const emitter = await connect(String(process.env["TARGET"]));
  const event: ClassroomEvent = parseEvent({ event: "important", note: "hello", capture_url: null });
  if (event.event !== "important") throw new EmitterError("rejected", ROLES.join());
  const { event: name, ...payload } = event;
  const result: PublishResult = await emitter.emit(String(process.env["SESSION"]), name, payload);
  // @ts-expect-error: it has no such role
  console.log(result.offsets.student, result.offsets.parent);
  await emitter.close();
}
void main();
`;

/** The same test for Jest and for vitest. */
const TEST = (head: string) => `${head}
test("publishes", async () => {${PUBLISH}
  expect(offsets.student).toMatch(/^\\d+-\\d+$/);
  await expect(emitter.emit("a", "session_ended")).rejects.toBeInstanceOf(EmitterError);
});
`;

const node = (version: string): Project => ({
  name: "import and require",
  node: version,
  files: { "publish.mjs": ESM, "publish.cjs": CJS },
  programs: [["publish.mjs"], ["publish.cjs"]],
});

const typescript = (version: string, module: string, moduleResolution: string): Project => {
  // `node16` and `nodenext` compile both kinds, by the names of files.
  const isOfNode = module === moduleResolution;
  const compilerOptions = {
    ...{ module, moduleResolution, target: "ES2022", strict: true, outDir: "out" },
    ...{ types: ["node"], skipLibCheck: true, exactOptionalPropertyTypes: true },
  };
  return {
    name: `TypeScript ${version}, ${moduleResolution}`,
    node: "24",
    packages: [`typescript@${version}`, "@types/node@20"],
    files: {
      "tsconfig.json": JSON.stringify({ compilerOptions, include: ["*.mts", "*.cts"] }),
      "publish.mts": TYPED,
      ...(isOfNode && { "required.cts": TYPED }),
    },
    compile: [["tsc"]],
    programs: [["out/publish.mjs"], ...(isOfNode ? [["out/required.cjs"]] : [])],
  };
};

const WEBPACK = `module.exports = {
  ...{ target: "node", mode: "production", entry: "./publish.mjs", performance: { hints: false } },
  output: { filename: "bundle.cjs" },
};`;

/** The oldest ioredis that is taken: a client of one Redis, one of Sentinels, and one of a cluster, which gives the URL instead. */
const WITH_CLIENT = (client: string) => `import { Redis } from "ioredis";
${IMPORT}const client = ${client};
const emitter = await connect(client);
const { offsets } = await emitter.emit(process.env.SESSION, "important", { note: "hello", capture_url: null });
await emitter.close();
await client.quit();
`;
const SENTINELS = `new Redis({
  name: process.env.SENTINEL_NAME,
  sentinels: process.env.SENTINELS.split(",").map((one) => {
    const { hostname: host, port } = new URL("redis://" + one);
    return { host, port: Number(port) };
  }),
})`;
const CLUSTER = `import { Cluster } from "ioredis";
${IMPORT}const cluster = new Cluster([process.env.TARGET], { lazyConnect: true });
const refused = await connect(cluster).catch((error) => error);
if (!(refused instanceof EmitterError) || refused.code !== "invalid_option") throw refused;
cluster.disconnect();
${PUBLISH}`;

/** All of them. */
export const PROJECTS: readonly Project[] = [
  node("20.19.0"),
  node("22"),
  node("24"),
  node("26"),
  typescript("5.2", "node16", "node16"),
  typescript("5.9", "nodenext", "nodenext"),
  typescript("5.2", "esnext", "bundler"),
  typescript("5.9", "esnext", "bundler"),
  {
    name: "esbuild",
    node: "20.19.0",
    packages: ["esbuild"],
    files: { "publish.mjs": `${IMPORT}async function main() {${PUBLISH}}\nvoid main();\n` },
    compile: [
      ["esbuild", "publish.mjs", "--bundle", "--platform=node", "--outfile=dist/bundle.cjs"],
    ],
    programs: [["dist/bundle.cjs"]],
  },
  {
    name: "webpack",
    node: "24",
    packages: ["webpack", "webpack-cli"],
    files: { "publish.mjs": ESM, "webpack.config.cjs": WEBPACK },
    compile: [["webpack", "--config", "webpack.config.cjs"]],
    programs: [["dist/bundle.cjs"]],
  },
  {
    name: "Jest",
    node: "24",
    packages: ["jest"],
    files: { "publish.test.js": TEST(REQUIRE) },
    programs: [["node_modules/jest/bin/jest.js"]],
  },
  {
    name: "vitest",
    node: "24",
    packages: ["vitest"],
    files: { "publish.test.mjs": TEST(`import { expect, test } from "vitest";\n${IMPORT}`) },
    programs: [["node_modules/vitest/vitest.mjs", "run"]],
  },
  {
    name: "ioredis 5, also by Sentinels",
    node: "20.19.0",
    packages: ["ioredis@5"],
    files: {
      "redis.mjs": WITH_CLIENT("new Redis(process.env.TARGET)"),
      "sentinels.mjs": WITH_CLIENT(SENTINELS),
      "cluster.mjs": CLUSTER,
    },
    programs: [["redis.mjs"], ["sentinels.mjs"], ["cluster.mjs"]],
  },
];

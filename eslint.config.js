import js from "@eslint/js";
import { createTypeScriptImportResolver } from "eslint-import-resolver-typescript";
import { defineConfig, globalIgnores } from "eslint/config";
import importX from "eslint-plugin-import-x";
import tseslint from "typescript-eslint";

/** Each layer of the server imports those after it, and never one before it. */
const layers = ["edge", "classroom", "cluster"];
const src = "./server/src";
const wholeServer = [`${src}/app.ts`, `${src}/main.ts`, `${src}/config.ts`];
const directories = (names) => names.map((name) => `${src}/${name}`);

const importDirection = [
  ...layers.map((layer, i) => ({
    target: `${src}/${layer}`,
    from: [...directories(layers.slice(0, i)), ...wholeServer],
    message: `Imports run edge -> classroom -> cluster -> emitter, so ${layer} must not know this.`,
  })),
  {
    target: `${src}/telemetry`,
    from: [...directories(layers), ...wholeServer],
    message: "Every layer imports telemetry, so telemetry imports none of them.",
  },
  {
    target: "./server/src",
    from: "./emitter/src",
    message: "The server imports the emitter by its package name: @inthon/emitter.",
  },
  {
    target: "./emitter",
    from: "./server",
    message: "The emitter never imports the server.",
  },
  {
    target: "./emitter/src/protocol",
    from: "./emitter/src",
    except: ["./protocol"],
    message: "The protocol is for clients as well: it imports nothing of the publisher.",
  },
];

const noServer = { regex: "^@inthon/server", message: "The emitter never imports the server." };

export default defineConfig(
  globalIgnores(["**/dist/", "**/.tap/", "**/node_modules/", "server/public/", "test/output/"]),
  js.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    plugins: { "import-x": importX },
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    settings: {
      // Else the plugin does not read what TypeScript files import, and sees no cycle.
      ...importX.flatConfigs.typescript.settings,
      "import-x/resolver-next": [
        createTypeScriptImportResolver({
          project: "*/tsconfig.json",
          noWarnOnMultipleProjects: true,
        }),
      ],
    },
    rules: {
      // Overloads of socket.io and fastify need assertions that the rule takes for superfluous.
      "@typescript-eslint/no-unnecessary-type-assertion": "off",
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-misused-promises": "error",
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports" }],
      // The same names that TypeScript's noUnusedParameters lets pass.
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "import-x/no-cycle": ["error", { ignoreExternal: true }],
      "import-x/no-restricted-paths": ["error", { zones: importDirection }],
    },
  },
  {
    files: ["server/src/telemetry/**"],
    rules: {
      // Labels come from the event table, so the contract itself is allowed: it imports nothing.
      "no-restricted-imports": [
        "error",
        { patterns: [{ regex: "^@inthon/emitter$", message: "Only @inthon/emitter/protocol." }] },
      ],
    },
  },
  {
    files: ["emitter/**"],
    rules: { "no-restricted-imports": ["error", { patterns: [noServer] }] },
  },
  {
    files: ["emitter/src/protocol/**"],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            noServer,
            {
              regex: "^(redis|@redis/.*|@socket\\.io/redis-.*|@inthon/emitter)$",
              message: "The protocol is for clients as well: it imports no Redis client.",
            },
          ],
        },
      ],
    },
  },
  {
    files: ["test/**/*.ts"],
    rules: {
      // tap awaits the blocks that it was given; any other promise of a test must be awaited.
      "@typescript-eslint/no-floating-promises": [
        "error",
        {
          allowForKnownSafePromises: [
            { from: "package", package: "@tapjs/core", name: "PromiseWithSubtest" },
          ],
        },
      ],
      // A block is async because of what it stands for, even where it awaits nothing yet.
      "@typescript-eslint/require-await": "off",
    },
  },
);

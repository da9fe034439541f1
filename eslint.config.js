import js from "@eslint/js";
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

// Which file may import which is in .dependency-cruiser.json: ESLint sees no circles of types.
export default defineConfig(
  globalIgnores([
    "**/dist/",
    "**/.tap/",
    "**/node_modules/",
    "server/public/",
    "server/docs/",
    "test/output/",
    ".cache/",
    // They run where their names are known: browsers, several versions of Node.js.
    "test/clients/programs/",
    "*.mjs",
    "student.ts",
    "publish.ts",
    "with-token.ts",
  ]),
  js.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
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

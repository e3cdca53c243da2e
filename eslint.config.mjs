import js from "@eslint/js";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["**/node_modules/", "target*/", "dist/", "www/dist/", "www/pkg/", "**/pkg/", "test-results/", "conformance/Sample.mjs", "conformance/scenario/classes.mjs", "conformance/**/*.d.mts"] },
  js.configs.recommended,
  {
    files: ["**/*.ts", "**/*.mts"],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/no-unused-vars": ["error", { varsIgnorePattern: "^_", argsIgnorePattern: "^_" }],
      // Property descriptors hand out getters without their object.
      "@typescript-eslint/unbound-method": "off",
      // Node's test functions give promises that nobody needs to wait for.
      "@typescript-eslint/no-floating-promises": [
        "error",
        { allowForKnownSafeCalls: [{ from: "package", package: "node:test", name: ["test", "describe", "it"] }] },
      ],
      // A class made of fields and methods may have no members of its own.
      "@typescript-eslint/no-extraneous-class": ["error", { allowEmpty: true, allowWithDecorator: true }],
      // `get<Airport>(path)` says what the caller expects; it cannot be inferred.
      "@typescript-eslint/no-unnecessary-type-parameters": "off",
      // What comes over the wire, or changes while something is awaited, is not always what its type says.
      "@typescript-eslint/no-unnecessary-condition": "off",
      "@typescript-eslint/no-misused-spread": ["error", { allow: ["string"] }],
      // A method that keeps an asynchronous interface need not wait for anything.
      "@typescript-eslint/require-await": "off",
    },
  },
  {
    // Tests look at what types hide: state from the wire, classes made from text.
    files: ["www/test/**", "www/e2e/**", "www/packaging_tests/**"],
    rules: {
      "@typescript-eslint/no-implied-eval": "off",
      "@typescript-eslint/no-misused-spread": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-call": "off",
      "@typescript-eslint/no-unsafe-return": "off",
    },
  },
  {
    files: ["**/*.mjs", "**/*.js"],
    languageOptions: {
      globals: Object.fromEntries(
        ["console", "process", "URL", "Buffer", "setTimeout", "clearTimeout", "fetch", "performance", "document", "location", "window", "WebAssembly", "WebSocket", "Worker", "postMessage", "crypto", "TextEncoder", "TextDecoder", "queueMicrotask", "URLSearchParams"].map((name) => [
          name,
          "readonly",
        ]),
      ),
    },
  },
);

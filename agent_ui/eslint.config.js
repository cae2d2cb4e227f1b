import vue from "eslint-plugin-vue";
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";
import vueParser from "vue-eslint-parser";

export default defineConfig(
  globalIgnores(["dist/", "coverage/", "src/api/schema.d.ts"]), // the last is generated
  tseslint.configs.strictTypeChecked,
  tseslint.configs.stylisticTypeChecked,
  vue.configs["flat/recommended"],
  {
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname, extraFileExtensions: [".vue"] },
    },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      eqeqeq: "error",
      "no-console": "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      // Text from customers goes through textContent or a template, never through the HTML parser.
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: "Use textContent, or build elements." },
        { property: "outerHTML", message: "Use textContent, or build elements." },
        { property: "insertAdjacentHTML", message: "Use append() with elements." },
      ],
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      // A number in a template string is what people mean; an object or undefined still is an error.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
    },
  },
  {
    files: ["**/*.vue"],
    languageOptions: { parser: vueParser, parserOptions: { parser: tseslint.parser } },
    rules: {
      "vue/block-lang": ["error", { script: { lang: "ts" } }],
      "vue/block-order": ["error", { order: ["script", "template", "style"] }],
      "vue/component-api-style": ["error", ["script-setup"]],
      "vue/no-unused-refs": "error",
      "vue/no-v-html": "error",
      // Components are imported by name, so that a one-word name cannot be taken for an HTML element.
      "vue/multi-word-component-names": "off",
      // Type checks require-default-prop's case already: an optional prop is `T | undefined` to its readers.
      "vue/require-default-prop": "off",
      // Layout finds no faults; it is left to the author.
      "vue/html-indent": "off",
      "vue/html-self-closing": "off",
      "vue/html-closing-bracket-newline": "off",
      "vue/first-attribute-linebreak": "off",
      "vue/max-attributes-per-line": "off",
      "vue/multiline-html-element-content-newline": "off",
      "vue/singleline-html-element-content-newline": "off",
      // ESLint sees an imported .vue file through a shim and takes its parts for `any`; vue-tsc knows and checks them.
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-call": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-unsafe-return": "off",
    },
  },
  {
    // Pure: the same state and event give the same state, in a test, on a reload and on every screen.
    files: ["src/live/reducer.ts"],
    rules: {
      "no-restricted-globals": [
        "error",
        ...["Date", "crypto", "document", "fetch", "localStorage", "performance", "sessionStorage", "setTimeout", "window"],
      ],
      "no-restricted-properties": ["error", { object: "Math", property: "random" }],
    },
  },
  { files: ["**/*.js"], extends: [tseslint.configs.disableTypeChecked] },
);

/** The customer chat: one file under a fixed name, which foreign pages load by one script tag. */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import { alias, target } from "./vite.shared.ts";

export default defineConfig({
  resolve: { alias },
  // A library build leaves this name to its user; here it would be a ReferenceError on the foreign page.
  define: { "process.env.NODE_ENV": '"production"' },
  publicDir: false,
  build: {
    target,
    outDir: "dist/widget",
    emptyOutDir: true,
    lib: {
      entry: fileURLToPath(new URL("./src/widget/main.ts", import.meta.url)),
      formats: ["iife"],
      name: "ServiceDeskChat",
      fileName: () => "widget.js",
    },
  },
});

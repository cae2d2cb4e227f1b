/** The console (which is also the wallboard's page) and the simulator's page. */
import { fileURLToPath } from "node:url";
import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vite";
import { alias, target } from "./vite.shared.ts";

const page = (name: string) => fileURLToPath(new URL(`./${name}.html`, import.meta.url));
const server = process.env["SERVICE_DESK_URL"] ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [vue()],
  resolve: { alias },
  // Every component is written with <script setup>; the older way of writing them stays out of the bundle.
  define: { __VUE_OPTIONS_API__: "false" },
  build: {
    target,
    // The pages' Content-Security-Policy allows files of our own origin only: nothing inline, no data: addresses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: { index: page("index"), simulator: page("simulator") } },
  },
  server: {
    host: "127.0.0.1",
    proxy: {
      // The Host header stays the browser's own, so that the server's same-origin checks hold through the proxy.
      "^/(api|hooks|simulator-api|widget|health)(/|\\?|$)": { target: server },
      "^/(live|chat)(/|\\?|$)": { target: server, ws: true },
    },
  },
});

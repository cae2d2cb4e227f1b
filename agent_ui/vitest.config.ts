import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vitest/config";
import { alias } from "./vite.shared.ts";

export default defineConfig({
  plugins: [vue()],
  resolve: { alias },
  test: {
    environment: "happy-dom",
    include: ["src/**/*.test.ts", "tests/**/*.test.ts"],
    // A spy or a pretend clock that one test leaves behind must not reach the next one.
    restoreMocks: true,
    unstubGlobals: true,
  },
});

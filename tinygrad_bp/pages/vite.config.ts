// One script and one style sheet a page, with the fonts inside: Python puts them into one document.

import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

const page = process.env.PAGE ?? "stage";

export default defineConfig({
  plugins: [svelte()],
  build: {
    outDir: "built",
    emptyOutDir: false,
    assetsInlineLimit: 1 << 20,
    cssCodeSplit: false,
    modulePreload: false,
    target: "es2022",
    lib: {
      entry: `${page}/main.ts`,
      formats: ["iife"],
      name: "page",
      fileName: () => `${page}.js`,
      cssFileName: page,
    },
  },
  test: { include: ["tests/**/*.test.ts"], testTimeout: 60_000 },
});

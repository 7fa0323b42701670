import { readFileSync } from "node:fs";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** Where `tracklog ui` listens unless told otherwise; `npm run dev` asks it for data. */
const SERVER = "http://127.0.0.1:7777";

/** The list of licences below knows of scripts only; the font's asks to be carried along, too. */
const fontLicence: Plugin = {
  name: "font-licence",
  generateBundle() {
    const source = readFileSync("node_modules/@fontsource-variable/inter/LICENSE");
    this.emitFile({ type: "asset", fileName: "licence-inter.txt", source });
  },
};

export default defineConfig({
  base: "/",
  plugins: [svelte(), fontLicence],
  build: {
    outDir: "../src/tracklog/server/portal",
    emptyOutDir: true,
    sourcemap: false,
    // What docs/portal.md promises: the first with `popover`; subgrid and `:has()` are older. Newer syntax is built down to it.
    target: ["chrome117", "edge117", "firefox125", "safari17"],
    // The wheel redistributes Svelte and uPlot; their licences ask to be carried along.
    license: { fileName: "licenses.md" },
    // Fonts and icons stay files of our own host: data: URLs would need a wider content security policy.
    assetsInlineLimit: 0,
    // What several pages share comes as two files; left alone, it becomes thirty, each a request.
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            { name: "base", test: /src[/\\](ui|api)[/\\]|node_modules[/\\]svelte/, minShareCount: 2 },
            { name: "charts", test: /src[/\\](charts|tables)[/\\]|uplot/, minShareCount: 2 },
          ],
        },
      },
    },
  },
  server: { proxy: { "/api": SERVER, "/health": SERVER } },
  test: { include: ["src/**/*.test.ts"], passWithNoTests: true },
});

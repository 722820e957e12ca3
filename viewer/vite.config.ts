import { defineConfig } from "vitest/config";

/** The server that `npm run dev` forwards to. */
const server = "http://127.0.0.1:8470";

export default defineConfig({
  build: {
    outDir: "../src/pellucid/server/static",
    emptyOutDir: true,
    target: "es2022",
    // Cornerstone is one chunk, loaded with the reading room only.
    chunkSizeWarningLimit: 3000,
  },
  server: { proxy: { "/api": server, "/dicom-web": server } },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});

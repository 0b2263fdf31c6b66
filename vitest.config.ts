import { defineConfig } from "vitest/config"
import { SummaryReporter } from "./test/support/summaryReporter.ts"

// Everything runs from source: see docs/decisions/0007.
const conditions = ["@cordon/source"]

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ["packages/*/test/**/*.test.ts", "init/test/**/*.test.ts", "test/**/*.test.ts"],
    server: { deps: { inline: [/@cordon\//] } },
    // Only to end what hangs: containers on a busy machine take their time.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Each engine test keeps containers busy; more files at once would only wait for each other.
    maxWorkers: 2,
    // A second try is no secret: see docs/decisions/0023.
    retry: process.env["CI"] === undefined ? 0 : 1,
    reporters: ["default", new SummaryReporter()],
  },
})

import { defineConfig } from "vitest/config"
import { SummaryReporter } from "../summaryReporter.ts"

// What `reporter.test.ts` runs: tests that fail in every way.
export default defineConfig({
  test: {
    include: ["test/support/reporter/*.fixture.ts"],
    reporters: [new SummaryReporter()],
  },
})

import { defineConfig } from "vitest/config"
import config from "./vitest.config.ts"

export default defineConfig({
  ...config,
  test: {
    ...config.test,
    // What a mutation run repeats for each change: the tests of the core that need no engine.
    include: [
      "packages/core/test/**/*.test.ts",
      "packages/lease-store-sqlite/test/**/*.test.ts",
      "test/sandbox/**/*.test.ts",
      "test/{sandboxes,ownership,leases,reconciliation,metrics,transfer,transferReport,lateCreations}.test.ts",
      "test/{sessions,policy}/**/*.test.ts",
      "test/face/factories.test.ts",
      "test/contract/{leaseStores,features,sessions}.test.ts",
    ],
    retry: 0,
    reporters: ["default"],
  },
})

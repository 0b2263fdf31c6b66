import { defineConfig } from "vitest/config"
import config from "./vitest.config.ts"

export default defineConfig({
  ...config,
  test: {
    ...config.test,
    // An engine that is there would only be slow; some of the tests use one where they find it.
    env: {
      DOCKER_HOST: "unix:///nonexistent.sock",
      CORDON_TEST_DOCKER: "",
      CORDON_TEST_GVISOR: "",
      CORDON_TEST_PODMAN: "",
    },
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

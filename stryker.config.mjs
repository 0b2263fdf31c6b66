// How `npm run mutate` breaks the core on purpose, one small change at a time: a change that no test notices is a
// promise that no test holds. See docs/decisions/0034.

/** @type {import("@stryker-mutator/api/core").PartialStrykerOptions} */
export default {
  testRunner: "vitest",
  plugins: ["@stryker-mutator/vitest-runner"],
  vitest: { configFile: "vitest.mutate.config.ts", related: false },
  // The packages find each other through links in node_modules, which a copy elsewhere would not lead to itself.
  inPlace: true,
  tempDirName: ".stryker-tmp",
  coverageAnalysis: "perTest",
  ignoreStatic: true,
  // The tests run without types; the comment that switches them off would touch every file.
  disableTypeChecks: false,
  mutate: [
    "packages/core/src/Sandboxes.ts",
    "packages/core/src/Leases.ts",
    "packages/core/src/leases/**/*.ts",
    "packages/core/src/LeaseStore.ts",
    "packages/core/src/Policy.ts",
    "packages/core/src/values/ImageName.ts",
    "packages/core/src/session/*.ts",
    "packages/core/src/transfer/upload.ts",
    "packages/core/src/transfer/download.ts",
    "packages/core/src/transfer/Archive.ts",
    "packages/core/src/transfer/tarHeader.ts",
    "packages/lease-store-sql/src/**/*.ts",
    "packages/lease-store-sqlite/src/**/*.ts",
    "packages/lease-store-postgres/src/**/*.ts",
    // Nothing to change, and a test reads how they begin.
    "!packages/*/src/index.ts",
  ],
  // Words for people: the tests that compile the docs and read the errors hold those that matter.
  mutator: { excludedMutations: ["StringLiteral"] },
  timeoutMS: 8_000,
  concurrency: 2,
  reporters: ["clear-text", "json"],
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
  jsonReporter: { fileName: "coverage/mutation.json" },
  thresholds: { high: 90, low: 90, break: null },
}

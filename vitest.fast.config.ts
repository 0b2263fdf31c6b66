import { configDefaults, defineConfig, mergeConfig } from "vitest/config"
import everything from "./vitest.config.ts"

// What `npm run test:fast` leaves out: files that start programs, wait for real time or try many random cases.
// A test file that takes more than a second by itself belongs here; `npm test` and CI run them all.
const slow = [
  "packages/core/test/{SessionFiles,leaseExtension,leaseFaults,makeRuntime,values}.test.ts",
  "packages/core/test/{ImageName,Output,condemned,silentStore}.test.ts",
  "packages/driver-docker/test/{bounded,silence}.test.ts",
  "packages/driver-docker/test/init/{hostile,program}.test.ts",
  "packages/egress/test/attacks.test.ts",
  "packages/tools/test/{adapters,condense,editFile,finds,shown}.test.ts",
]

export default mergeConfig(
  everything,
  defineConfig({
    test: {
      exclude: [...configDefaults.exclude, ...slow],
      // Files share the modules that they import, which would take half of the time. `npm test` keeps them apart.
      isolate: false,
    },
  }),
)

import { describe } from "@effect/vitest"
import { skipped } from "../../support/skipped.ts"
import { changesContract } from "./changes.ts"
import { dueContract } from "./due.ts"
import { quotasContract } from "./quotas.ts"
import { sharingContract } from "./sharing.ts"
import type { Harness } from "./stage.ts"
import { timeContract } from "./time.ts"

/** What each lease store must pass, whatever it keeps leases in. */
export const leaseStoreContract = (name: string, { shared, test }: Harness): void => {
  describe(`LeaseStore contract: ${name}`, () => {
    const testShared: Harness["test"] = (title, body) =>
      shared ? test(title, body) : skipped(title, "this store is one process's own, and says so")
    const stage = { shared, test, testShared }
    changesContract(stage)
    timeContract(stage)
    dueContract(stage)
    quotasContract(stage)
    sharingContract(stage)
  })
}

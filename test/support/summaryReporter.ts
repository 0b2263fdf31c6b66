import { writeFileSync } from "node:fs"
import type { Reporter, TestCase, TestModule, Vitest } from "vitest/node"

/**
 * Ends a run with what was not tested, by name and reason, and with one line of counts. A test that
 * was skipped without a reason fails the run: a hole must say why it is there.
 */
export class SummaryReporter implements Reporter {
  #vitest: Vitest | undefined

  onInit(vitest: Vitest): void {
    this.#vitest = vitest
  }

  onTestRunEnd(modules: ReadonlyArray<TestModule>, errors: ReadonlyArray<unknown>): void {
    const counts = { passed: 0, failed: 0, skipped: 0 }
    const skippedTests: Array<{ name: string; reason: string }> = []
    const nameOf = (test: TestCase) => `${test.module.relativeModuleId} > ${test.fullName}`
    const pattern = this.#vitest?.getGlobalTestNamePattern()
    const matches = (test: TestCase) => pattern?.test(test.fullName.replaceAll(" > ", " ")) ?? true
    for (const module of modules) {
      // What could not even be collected counts as one failure.
      if (module.errors().length > 0) counts.failed += 1
      for (const test of module.children.allTests()) {
        const result = test.result()
        if (result.state === "passed") counts.passed += 1
        else if (result.state === "failed" || result.state === "pending") counts.failed += 1
        // Left out by the name that was asked for (-t), not by what the machine lacks.
        else if (!matches(test)) continue
        else {
          counts.skipped += 1
          const reason = result.note ?? ""
          skippedTests.push({ name: nameOf(test), reason: reason || "NO REASON GIVEN" })
          if (reason === "") process.exitCode = 1
        }
      }
    }
    counts.failed += errors.length
    if (skippedTests.length > 0) {
      console.log("\nNot tested on this machine:")
      for (const { name, reason } of skippedTests) console.log(`- ${name}: ${reason}`)
    }
    const file = process.env["CORDON_TEST_SUMMARY"]
    if (file !== undefined && file !== "") {
      writeFileSync(file, `${JSON.stringify({ ...counts, skippedTests }, null, 2)}\n`)
    }
    console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
  }
}

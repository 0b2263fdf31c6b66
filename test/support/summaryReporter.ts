import { writeFileSync } from "node:fs"
import type { Reporter, TestCase, TestModule, Vitest } from "vitest/node"

// More than these are no accident of a busy machine.
const mostSecondTries = 5

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
    const failedTests: Array<string> = []
    const secondTries: Array<string> = []
    const nameOf = (test: TestCase) => `${test.module.relativeModuleId} > ${test.fullName}`
    const pattern = this.#vitest?.getGlobalTestNamePattern()
    const matches = (test: TestCase) => pattern?.test(test.fullName.replaceAll(" > ", " ")) ?? true
    for (const module of modules) {
      // What could not even be collected counts as one failure.
      if (module.errors().length > 0) {
        counts.failed += 1
        failedTests.push(module.relativeModuleId)
      }
      for (const test of module.children.allTests()) {
        const result = test.result()
        if (test.diagnostic()?.flaky) secondTries.push(nameOf(test))
        if (result.state === "passed") counts.passed += 1
        else if (result.state === "failed" || result.state === "pending") {
          counts.failed += 1
          const [reason = "never ended"] =
            result.errors?.map(({ message }) => message.split("\n")[0]) ?? []
          failedTests.push(`${nameOf(test)}: ${reason}`)
        }
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
    if (secondTries.length > mostSecondTries) {
      counts.failed += 1
      failedTests.push(`${secondTries.length} tests passed on a second try only`)
      process.exitCode = 1
    }
    if (skippedTests.length > 0) {
      console.log("\nNot tested on this machine:")
      for (const { name, reason } of skippedTests) console.log(`- ${name}: ${reason}`)
    }
    if (secondTries.length > 0) {
      console.log("\nPassed on a second try only:")
      for (const name of secondTries) console.log(`- ${name}`)
    }
    const file = process.env["CORDON_TEST_SUMMARY"]
    if (file !== undefined && file !== "") {
      writeFileSync(
        file,
        `${JSON.stringify({ ...counts, failedTests, secondTries, skippedTests }, null, 2)}\n`,
      )
    }
    console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
  }
}

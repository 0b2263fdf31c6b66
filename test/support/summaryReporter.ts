import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import type { Reporter, TestCase, TestModule, Vitest } from "vitest/node"
import { type SkippedTest, unwarranted } from "./skips.ts"
import { linesOf, type Summary } from "./summary.ts"
import { lineOf } from "./thrown.ts"

// More than these are no accident of a busy machine.
const mostSecondTries = 5

const root = join(import.meta.dirname, "../..")

/** Where the run is told of, by name: CI says where, and a developer finds it among what is not kept. */
const file = () =>
  process.env["CORDON_TEST_SUMMARY"] || join(root, "node_modules/.cache/cordon/test-summary.json")

/** The tests that the run of this summary skipped. */
const skippedIn = (file: string | undefined): ReadonlyArray<SkippedTest> =>
  file === undefined ? [] : JSON.parse(readFileSync(file, "utf8")).skippedTests

/** What CI says that this run is without, and the faults of what was skipped all the same. */
const faultsOf = (skipped: ReadonlyArray<SkippedTest>): ReadonlyArray<string> => {
  const lacks = process.env["CORDON_TEST_LACKS"]
  const silent = skipped.filter(({ reason }) => reason === "")
  const wrong =
    lacks === "nothing" || lacks === "an engine"
      ? unwarranted(skipped, lacks, skippedIn(process.env["CORDON_TEST_SKIPPED_ANYWAY"]))
      : []
  return [
    ...silent.map(({ name }) => `${name}: was skipped without a reason`),
    ...wrong
      .filter((test) => !silent.includes(test))
      .map(({ name, reason }) => `${name}: was skipped, though this run lacks ${lacks}: ${reason}`),
  ]
}

const slowestOf = (modules: ReadonlyArray<TestModule>): Summary["slowestFiles"] =>
  modules
    .map((module) => ({
      file: module.relativeModuleId,
      seconds: Math.round(module.diagnostic().duration / 1000),
    }))
    .sort((a, b) => b.seconds - a.seconds)
    .slice(0, 10)

/**
 * Ends a run with what was not tested, by reason, with what failed, and with one line of counts. A test
 * that was skipped without a reason fails the run: a hole must say why it is there.
 */
export class SummaryReporter implements Reporter {
  #vitest: Vitest | undefined

  onInit(vitest: Vitest): void {
    this.#vitest = vitest
  }

  onTestRunEnd(modules: ReadonlyArray<TestModule>, errors: ReadonlyArray<unknown>): void {
    const summary = this.#summaryOf(modules, errors)
    const { passed, failedTests, ...others } = summary
    if (failedTests.length > 0) process.exitCode = 1
    const place = file()
    mkdirSync(dirname(place), { recursive: true })
    const counts = { passed, failed: failedTests.length, skipped: summary.skippedTests.length }
    writeFileSync(place, `${JSON.stringify({ ...counts, failedTests, ...others }, null, 2)}\n`)
    const shown = relative(process.cwd(), place)
    console.log(linesOf(summary, shown.startsWith("..") ? place : shown).join("\n"))
  }

  #summaryOf(modules: ReadonlyArray<TestModule>, errors: ReadonlyArray<unknown>): Summary {
    const failedTests: Array<string> = []
    const secondTries: Array<string> = []
    const skippedTests: Array<SkippedTest> = []
    let passed = 0
    const pattern = this.#vitest?.getGlobalTestNamePattern()
    const matches = (test: TestCase) => pattern?.test(test.fullName.replaceAll(" > ", " ")) ?? true
    for (const module of modules) {
      // What could not even be collected counts as one failure.
      const [broken] = module.errors()
      if (broken !== undefined) failedTests.push(`${module.relativeModuleId}: ${lineOf(broken)}`)
      for (const test of module.children.allTests()) {
        const name = `${module.relativeModuleId} > ${test.fullName}`
        const result = test.result()
        if (test.diagnostic()?.flaky) secondTries.push(name)
        if (result.state === "passed") passed += 1
        else if (result.state === "failed" || result.state === "pending") {
          const [thrown] = result.errors ?? []
          failedTests.push(`${name}: ${thrown === undefined ? "never ended" : lineOf(thrown)}`)
        }
        // Left out by the name that was asked for (-t), not by what the machine lacks.
        else if (matches(test)) skippedTests.push({ name, reason: result.note ?? "" })
      }
    }
    failedTests.push(...errors.map((error) => `outside of any test: ${lineOf(error)}`))
    if (secondTries.length > mostSecondTries) {
      failedTests.push(`${secondTries.length} tests passed on a second try only`)
    }
    failedTests.push(...faultsOf(skippedTests))
    return { passed, failedTests, secondTries, skippedTests, slowestFiles: slowestOf(modules) }
  }
}

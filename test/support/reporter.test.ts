import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Cause } from "effect"
import { assert, describe, it } from "vitest"
import { needs, unwarranted } from "./skips.ts"
import { linesOf } from "./summary.ts"
import { lineOf } from "./thrown.ts"

const root = join(import.meta.dirname, "../..")

const hostile = {
  get message(): string {
    throw new Error("no")
  },
}
const circular: { self?: unknown; message?: string } = {}
circular.self = circular

describe("the summary's line for a thrown value", () => {
  for (const [thrown, line] of [
    [new Error("words\nmore"), "words"],
    [new TypeError(), "TypeError"],
    ["a string", "a string"],
    ["", "an empty text was thrown"],
    [undefined, "undefined"],
    [null, "null"],
    [Symbol("s"), "Symbol(s)"],
    [{ code: 7 }, "{ code: 7 }"],
    [{ message: 5 }, "{ message: 5 }"],
    [circular, "<ref *1> { self: [Circular *1] }"],
    [Object.create(null), "[Object: null prototype] {}"],
    [Cause.fail(new Error("failed")), "failed"],
    [Cause.die("defect"), "defect"],
    [Cause.fail({ _tag: "Odd" }), '{"_tag":"Odd"}'],
    [hostile, "what was thrown can't be shown"],
    [
      new Proxy(
        {},
        {
          has: () => {
            throw new Error("no")
          },
        },
      ),
      "what was thrown can't be shown",
    ],
  ] as const) {
    it(`reads: ${line}`, () => assert.strictEqual(lineOf(thrown), line))
  }
})

describe("the summary at the end of a run", () => {
  it("lists reasons for skips with counts, then failures, then totals", () => {
    const skippedTests = ["a", "b", "c"].map((name) => ({ name, reason: name === "b" ? "x" : "y" }))
    assert.deepStrictEqual(
      linesOf({ passed: 4, failedTests: ["f: why"], secondTries: [], skippedTests }, "file.json"),
      [
        "",
        "Not tested on this machine (by name: file.json):",
        "- 2: y",
        "- 1: x",
        "",
        "Failed:",
        "- f: why",
        "",
        "4 passed, 1 failed, 3 skipped",
      ],
    )
  })
})

describe("a skipped test", () => {
  const engine = needs("a Docker Engine", "none answers")
  const names = (tests: ReadonlyArray<{ name: string }>) => tests.map(({ name }) => name)
  const ofTheDriver = { name: "test/x > memory > y", reason: "the driver has none" }

  it("may not need anything of the machine in CI's complete run", () => {
    const skipped = [{ name: "test/a", reason: engine }, ofTheDriver]
    assert.deepStrictEqual(names(unwarranted(skipped, "nothing", [])), ["test/a"])
  })

  it("may need an engine, and nothing else, in a run without one", () => {
    const skipped = [
      { name: "test/a > on docker", reason: engine },
      { name: "test/b", reason: needs("Podman", "away") },
      { name: "test/c", reason: needs("PostgreSQL", "away") },
      { name: "test/d", reason: "did not feel like it" },
      { name: "test/e > tools on memory > f", reason: engine },
      { name: "test/g > Features: memory > h", reason: engine },
      { name: "packages/core/test/x.test.ts > i", reason: engine },
      ofTheDriver,
    ]
    assert.deepStrictEqual(names(unwarranted(skipped, "an engine", [ofTheDriver])), [
      "test/c",
      "test/d",
      "test/e > tools on memory > f",
      "test/g > Features: memory > h",
      "packages/core/test/x.test.ts > i",
    ])
  })
})

describe("the summary of a run", () => {
  it("is complete whatever its tests throw, and skipped suites build no layer", () => {
    const folder = mkdtempSync(join(tmpdir(), "cordon-reporter-"))
    const file = join(folder, "summary.json")
    try {
      const { stdout, status } = spawnSync(
        process.execPath,
        [
          "node_modules/vitest/vitest.mjs",
          "run",
          "--config",
          "test/support/reporter/vitest.config.ts",
        ],
        {
          cwd: root,
          encoding: "utf8",
          env: { ...process.env, CORDON_TEST_SUMMARY: file, CORDON_TEST_LACKS: "" },
        },
      )
      const summary = JSON.parse(readFileSync(file, "utf8"))
      const failed: ReadonlyArray<string> = summary.failedTests
      for (const words of [
        "an error: plain words",
        "an error without words: Error",
        "a string: only a string",
        "nothing: undefined",
        "null: null",
        "an object without a message: { code: 7",
        "an object whose message is no text: { message: { deep: true",
        "a circular object: <ref *1> { self: [Circular *1]",
        "an Effect cause: ",
        "an object that throws when it is read: ",
        "is left out without a reason: was skipped without a reason",
      ]) {
        assert.isTrue(
          failed.some((line) => line.includes(`.fixture.ts > ${words}`)),
          `${words} is not in\n${failed.join("\n")}`,
        )
      }
      assert.deepStrictEqual([summary.passed, summary.skipped, status], [1, 4, 1])
      assert.match(stdout, /\n- 2: the same reason\n/)
      assert.match(stdout, /\n- 1: its engine is away\n/)
      assert.match(stdout, /\n1 passed, 11 failed, 4 skipped\n$/)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

import { assert, describe, it } from "vitest"
import { runProgram } from "./program.ts"

const end = "end of program\n"

describe("the log", () => {
  it("is silent unless a program asks for it", async () => {
    const ended = await runProgram("logs", "silently")
    assert.deepStrictEqual(ended, { code: 0, stdout: end, stderr: "" })
  })

  it("goes to a function, from level info on, with the fields of each entry", async () => {
    const { stdout, stderr } = await runProgram("logs", "to a function")
    assert.strictEqual(stderr, "")
    const [news, warning, ...rest] = stdout.trim().split("\n")
    assert.deepStrictEqual(rest, [end.trim()])
    const { time, ...entry } = JSON.parse(`${news}`)
    assert.deepStrictEqual(entry, {
      level: "info",
      message: "Some news",
      fields: { sandbox: "box-1" },
    })
    assert.isFalse(Number.isNaN(Date.parse(time)))
    assert.include(warning, '"level":"warn"')
  })

  it("goes to the method of a console-like object that matches each level", async () => {
    const { stdout, stderr } = await runProgram("logs", "to a console")
    assert.strictEqual(stdout, `Some news { sandbox: 'box-1' }\n${end}`)
    assert.strictEqual(stderr, "A warning { sandbox: 'box-2' }\n")
  })

  it("goes to standard error from the requested level on", async () => {
    const { stdout, stderr } = await runProgram("logs", "to standard error")
    assert.strictEqual(stdout, end)
    assert.include(stderr, "A warning")
    assert.notInclude(stderr, "Some news")
  })

  it("loses an entry, and nothing else, when the logger throws", async () => {
    const ended = await runProgram("logs", "to a logger that throws")
    assert.deepStrictEqual(ended, { code: 0, stdout: end, stderr: "" })
  })
})

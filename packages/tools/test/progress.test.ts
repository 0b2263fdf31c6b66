import { memory } from "@cordon/driver-memory"
import { assert, describe, it } from "@effect/vitest"
import { createTools } from "../src/index.ts"
import { LatestLine } from "../src/progress.ts"

const bytes = (text: string) => new TextEncoder().encode(text)

describe("the line of output that is shown as progress", () => {
  it.each([
    ["one\ntwo\n\n  \n", "two"],
    ["10%\r20%\r30%", "30%"],
    ["\u001b[1;32mok\u001b[0m \u001b[2K\u0007done", "done"],
    [`${"x".repeat(5000)}\nlast`, "last"],
    ["y".repeat(5000), "y".repeat(200)],
    ["caf\u00e9 \u2713\n", "caf\u00e9 \u2713"],
  ])("is the last non-empty one: %j", (output, line) => {
    assert.strictEqual(new LatestLine().push(bytes(output)), line)
  })

  it("is none for empty output", () => {
    for (const output of ["", "\n", " \r\n\t", "\u001b[2J"]) {
      assert.isUndefined(new LatestLine().push(bytes(output)))
    }
  })

  it("is joined when a piece ends within a line or a character", () => {
    const latest = new LatestLine()
    const all = bytes("first\nhälf a line\n")
    // Between the two bytes of the ä.
    const at = all.indexOf(0xc3) + 1
    assert.strictEqual(latest.push(all.subarray(0, at)), "h")
    assert.strictEqual(latest.push(all.subarray(at, at + 3)), "hälf")
    assert.strictEqual(latest.push(all.subarray(at + 3)), "hälf a line")
  })
})

describe("a tool of a promise toolset", () => {
  it("reports its progress to the given callback", async () => {
    await using toolset = createTools({ driver: memory() })
    const { sandbox_create, sandbox_exec } = toolset.byName
    await sandbox_create.execute({ name: "box" })
    const said: Array<string> = []
    const result = await sandbox_exec.execute(
      { sandbox: "box", command: "echo working; echo wrong >&2; exit 3" },
      { onProgress: ({ message }) => said.push(message) },
    )
    assert.sameMembers(said, ["working", "wrong"])
    // The same as for one that nobody watches.
    const { duration_ms: _, ...output } = result.ok ? result.output : assert.fail(result.text)
    const silent = await sandbox_exec.execute({
      sandbox: "box",
      command: "echo working; echo wrong >&2; exit 3",
    })
    const { duration_ms: __, ...same } = silent.ok ? silent.output : assert.fail(silent.text)
    assert.deepStrictEqual(output, same)
  })
})

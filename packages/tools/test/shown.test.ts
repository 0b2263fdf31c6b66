import { memory } from "@cordon/driver-memory"
import { assert, describe, it } from "@effect/vitest"
import { createTools, type ToolResult } from "../src/index.ts"
import { pictures } from "./pictures.ts"

const opened = async () => {
  const toolset = createTools({ driver: memory() })
  const call = (name: keyof typeof toolset.byName, input: object) =>
    toolset.byName[name].execute({ sandbox: "box", ...input })
  await toolset.byName.sandbox_create.execute({ name: "box" })
  const write = (path: string, bytes: Buffer) =>
    call("sandbox_write_file", { path, encoding: "base64", content: bytes.toString("base64") })
  return { toolset, call, write, [Symbol.asyncDispose]: toolset.close }
}

const outputOf = (result: ToolResult) => (result.ok ? result.output : assert.fail(result.text))

describe("the result that a model reads", () => {
  it.each([
    ["image/png", pictures.png],
    ["image/gif", pictures.gif],
    ["image/webp", pictures.webp],
    ["image/jpeg", pictures.jpeg],
  ] as const)("is a picture for a file of type %s", async (mediaType, bytes) => {
    await using box = await opened()
    await box.write("p", bytes)
    for (const encoding of [undefined, "utf8", "base64", null]) {
      const result = await box.call("sandbox_read_file", { path: "p", encoding })
      const output = outputOf(result)
      assert.deepStrictEqual(result.ok && result.pictures, [
        { type: "image", mediaType, data: bytes.toString("base64") },
      ])
      assert.strictEqual(output["media_type"], mediaType)
      assert.strictEqual(output["content"], "")
      assert.match(result.text, new RegExp(`/p: ${mediaType}, ${bytes.length} bytes`))
    }
  })

  it("is the bytes of a picture when a part of it is requested", async () => {
    await using box = await opened()
    await box.write("p.png", pictures.png)
    const input = { path: "p.png", encoding: "base64", offset: 0 }
    const result = await box.call("sandbox_read_file", input)
    assert.strictEqual(result.text, pictures.png.toString("base64"))
    assert.isTrue(result.ok && result.pictures === undefined)
  })

  it("is an error when a picture is damaged or too large, or a file is binary", async () => {
    await using box = await opened()
    const half = pictures.png.subarray(0, 40)
    const big = Buffer.concat([pictures.jpeg, Buffer.alloc(3_500_000)])
    for (const [bytes, said] of [
      [half, /^Error: The picture "p" can't be shown: it is damaged or not whole/],
      [big, /has 3,500,\d+ bytes, and a model can be shown 3,500,000 at most\. Make a smaller one/],
      [Buffer.from([0, 1, 2, 3]), /binary or not UTF-8 text/],
    ] as const) {
      await box.write("p", bytes)
      const result = await box.call("sandbox_read_file", { path: "p" })
      assert.isFalse(result.ok)
      assert.match(result.text, said)
    }
  })

  it("has the last state of redrawn output, while the program gets every byte", async () => {
    await using box = await opened()
    const command = String.raw`printf '\033[32m10%%\r100%%\033[0m\ndone\n'; printf 'a\rb' >&2`
    const result = await box.call("sandbox_exec", { command })
    assert.strictEqual(result.text, "100%\ndone\n[stderr]\nb")
    assert.strictEqual(outputOf(result)["stdout"], "\x1b[32m10%\r100%\x1b[0m\ndone\n")
    assert.strictEqual(outputOf(result)["stderr"], "a\rb")
  })

  it("is not truncated when only redraws exceed the limit", async () => {
    await using box = await opened()
    const command = `echo first; for n in $(seq 1 9000); do printf '\\r%s of 9000' $n; done; echo; echo last`
    const result = await box.call("sandbox_exec", { command, timeout_seconds: 60 })
    assert.strictEqual(result.text, "first\n9000 of 9000\nlast")
    assert.isTrue(outputOf(result)["truncated"])
  })

  it("names the shell that commands run under", async () => {
    await using toolset = createTools({ driver: memory() })
    const created = await toolset.byName.sandbox_create.execute({ name: "other" })
    assert.include(created.text, "Commands run under bash.")
    assert.strictEqual(outputOf(created)["shell"], "bash")
  })
})

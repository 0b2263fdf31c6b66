import { spawnSync } from "node:child_process"
import { assert, describe, it } from "vitest"
import { completionScript } from "../src/commands/completion.ts"
import { placeOf } from "../src/commands/cp.ts"
import { cordon } from "../src/cordon.ts"
import { harmless, harmlessLines } from "../src/harmless.ts"
import { table } from "../src/output.ts"

describe("text that a sandbox had a say in", () => {
  it("can't steer the terminal that it is shown on", () => {
    assert.strictEqual(harmless("a\u001b[2J\u009b1m\r\nb"), "a\\u001b[2J\\u009b1m\\u000d\\u000ab")
    assert.strictEqual(harmless("x\u202ey\u{e0041}"), "x\\u202ey\\udb40\\udc41")
    assert.strictEqual(harmless("größe 🎉"), "größe 🎉")
  })

  it("keeps a table's rows and columns where cells have line ends and escapes", () => {
    const lines = table([
      ["NAME", "IMAGE"],
      ["a\nb", "\u001b[31mred"],
    ]).split("\n")
    assert.deepStrictEqual(lines.slice(1), ["a\\u000ab  \\u001b[31mred"])
  })

  it("means the same in JSON", () => {
    const value = { name: "\u001b\u009b\u202e\u{e0041}" }
    const text = harmlessLines(JSON.stringify(value, null, 2))
    assert.notMatch(text.replaceAll("\n", ""), /[\p{Cc}\p{Cf}]/u)
    assert.deepStrictEqual(JSON.parse(text), value)
  })
})

describe("a side of a copy", () => {
  it("is read as docker reads it", () => {
    const inside = (sandbox: string, path: string) => ({ _tag: "Inside", sandbox, path }) as const
    const here = (path: string) => ({ _tag: "Here", path }) as const
    assert.deepStrictEqual(placeOf("box:/a:b"), inside("box", "/a:b"))
    assert.deepStrictEqual(placeOf("box:"), inside("box", ""))
    assert.deepStrictEqual(placeOf("./a:b"), here("./a:b"))
    assert.deepStrictEqual(placeOf("/a:b"), here("/a:b"))
    assert.deepStrictEqual(placeOf("plain"), here("plain"))
    assert.deepStrictEqual(placeOf(":x"), here(":x"))
    assert.deepStrictEqual(placeOf("-"), { _tag: "Archive" })
  })
})

describe("completion", () => {
  it("offers bash the sandboxes that the command names", () => {
    const line = [
      "cordon() { [[ $* == 'ps --names' ]] && printf '%s\\n' box-a box-b other; }",
      completionScript("bash", cordon),
      'COMP_LINE="cordon exec -u 0 bo"; COMP_WORDS=(cordon exec -u 0 bo); COMP_CWORD=4; COMP_POINT=19',
      "_cordon cordon bo 0",
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is for bash.
      'printf "%s\\n" "${COMPREPLY[@]}"',
    ].join("\n")
    const { stdout, stderr } = spawnSync("bash", ["--norc", "-c", line], { encoding: "utf8" })
    assert.strictEqual(stdout, "box-a\nbox-b\n", stderr)
  })

  for (const shell of ["bash", "zsh", "fish"] as const) {
    it(`asks for the names of sandboxes in ${shell}`, () => {
      const script = completionScript(shell, cordon)
      assert.include(script, "(cordon ps --names 2>/dev/null)")
      assert.notInclude(script, "__cordon_names__")
    })
  }
})

import { spawnSync } from "node:child_process"
import { assert, describe, it } from "vitest"
import { completionScript } from "../src/commands/completion.ts"
import { placeOf } from "../src/commands/cp.ts"
import { cordon } from "../src/cordon.ts"
import { harmless, harmlessLines } from "../src/harmless.ts"
import { table } from "../src/output.ts"

describe("text from a sandbox", () => {
  it("can't control the terminal that shows it", () => {
    assert.strictEqual(harmless("a\u001b[2J\u009b1m\r\nb"), "a\\u001b[2J\\u009b1m\\u000d\\u000ab")
    assert.strictEqual(harmless("x\u202ey\u{e0041}"), "x\\u202ey\\udb40\\udc41")
    assert.strictEqual(harmless("größe 🎉"), "größe 🎉")
  })

  it("with line ends and escapes keeps a table's rows and columns", () => {
    const lines = table([
      ["NAME", "IMAGE"],
      ["a\nb", "\u001b[31mred"],
    ]).split("\n")
    assert.deepStrictEqual(lines.slice(1), ["a\\u000ab  \\u001b[31mred"])
  })

  it("is unchanged in JSON", () => {
    const value = { name: "\u001b\u009b\u202e\u{e0041}" }
    const text = harmlessLines(JSON.stringify(value, null, 2))
    assert.notMatch(text.replaceAll("\n", ""), /[\p{Cc}\p{Cf}]/u)
    assert.deepStrictEqual(JSON.parse(text), value)
  })
})

describe("an argument of cordon cp", () => {
  it("is parsed as docker cp parses it", () => {
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

describe("shell completion", () => {
  it("gives bash the sandbox names that the command prints", () => {
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
    it(`asks the command for sandbox names in ${shell}`, () => {
      const script = completionScript(shell, cordon)
      assert.include(script, "(cordon ps --names 2>/dev/null)")
      assert.notInclude(script, "__cordon_names__")
    })
  }
})

import { execFileSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { MarkerScanner } from "../src/channel/MarkerScanner.ts"
import { commandMessage, printfFormat, quote } from "../src/channel/script.ts"

const end = "\x1eaaab"
const ready = "\x1eaac"

/** What a scanner makes of pieces: output and words, output gathered where it meets. */
const scan = (pieces: ReadonlyArray<Uint8Array>) => {
  const scanner = new MarkerScanner(end, ready)
  const seen: Array<string> = [""]
  for (const part of pieces.flatMap((piece) => scanner.push(piece))) {
    if (part instanceof Uint8Array) seen.push(seen.pop() + Buffer.from(part).toString("latin1"))
    else seen.push(`${part.pattern} then ${part.rest}`, "")
  }
  return seen
}

/** Bytes cut anywhere. */
const cut = (bytes: Buffer, at: ReadonlyArray<number>) => {
  const places = [...at.map((n) => n % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  return places.map((place, n) => bytes.subarray(n === 0 ? 0 : places[n - 1], place))
}

describe("MarkerScanner", () => {
  it("finds words wherever the pieces end, and loses no byte around them", () => {
    // Bytes of which words consist, so that beginnings of words are everywhere.
    const noise = fc.string({ unit: fc.constantFrom("\x1e", "a", "b", "c", "\n", "=") })
    const clean = noise.filter((text) => !text.includes(end) && !text.includes(ready))
    void fc.assert(
      fc.property(clean, clean, clean, fc.array(fc.nat()), (a, b, c, at) => {
        const text = `${a}${ready}=0\n${b}${end}\n${c}x`
        fc.pre(text.indexOf(ready) === a.length)
        fc.pre(text.indexOf(end) === text.indexOf(b, a.length + ready.length + 3) + b.length)
        const seen = scan(cut(Buffer.from(text, "latin1"), at))
        assert.deepStrictEqual(seen, [a, `${ready} then =0`, b, `${end} then `, `${c}x`])
      }),
      { numRuns: 500 },
    )
  })

  it("hands on at once what can't be the beginning of a word", () => {
    const scanner = new MarkerScanner(end)
    const output = (text: string) =>
      Buffer.concat(scanner.push(Buffer.from(text)).filter((part) => part instanceof Uint8Array))
    assert.strictEqual(output("Password: ").toString(), "Password: ")
    assert.strictEqual(output("x\x1eaa").toString(), "x")
    assert.strictEqual(output("c").toString(), "\x1eaac")
  })
})

describe("words of shell", () => {
  const sh = (script: string) => execFileSync("/bin/sh", { input: script })

  it("are what they were, whatever is in them", () => {
    const text = fc.string({ unit: "binary" }).filter((s) => !s.includes("\0"))
    void fc.assert(
      fc.property(text, (s) => {
        const clean = Buffer.from(s)
        const printed = sh(`printf %s ${quote(clean.toString())}`)
        assert.isTrue(printed.equals(Buffer.from(clean.toString())))
      }),
      { numRuns: 25 },
    )
  })

  it("carry any bytes through the shell's own printf", () => {
    const all = Uint8Array.from({ length: 512 }, (_, n) => n)
    void fc.assert(
      fc.property(fc.oneof(fc.constant(all), fc.uint8Array({ maxLength: 500 })), (bytes) => {
        assert.isTrue(sh(`printf ${printfFormat(bytes)}`).equals(Buffer.from(bytes)))
      }),
      { numRuns: 25 },
    )
  })

  it("make a command whose environment is only what it is given", () => {
    const message = commandMessage({
      command: ["env"],
      cwd: "/usr",
      env: { A: "it's\n$x", B: "" },
      stdin: Buffer.from("in"),
      declined: "no",
    })
    const printed = execFileSync("/bin/sh", {
      input: message,
      // Set, so that none is chosen by what this machine has.
      env: { PATH: process.env["PATH"], KEPT: "1", LANG: "C" },
    }).toString()
    const lines = printed.split("\n").filter((line) => !line.startsWith("PATH="))
    assert.deepStrictEqual(lines.sort(), ["", "$x", "A=it's", "B=", "KEPT=1", "LANG=C"])
  })
})

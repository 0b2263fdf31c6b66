import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { initProgram, UnsupportedArchitecture } from "../src/index.ts"

const root = join(import.meta.dirname, "../../..")

/** What the header of an ELF executable says: 64 bits, little-endian, and the number of the machine. */
const headerOf = (program: Uint8Array) => {
  const view = new DataView(program.buffer, program.byteOffset)
  return {
    magic: view.getUint32(0),
    bits: view.getUint8(4),
    order: view.getUint8(5),
    machine: view.getUint16(18, true),
  }
}

const elf = { magic: 0x7f454c46, bits: 2, order: 1 }

for (const [name, machine] of [
  ["amd64", 62],
  ["x86_64", 62],
  ["arm64", 183],
  ["aarch64", 183],
] as const) {
  it.effect(`${name}: the init is an executable of that architecture, below 200 kB`, () =>
    Effect.gen(function* () {
      const program = yield* initProgram(name)
      assert.deepStrictEqual(headerOf(program), { ...elf, machine })
      assert.isBelow(program.length, 200_000)
    }),
  )
}

it.effect("each call returns a new copy of the init", () =>
  Effect.gen(function* () {
    const program = yield* initProgram("amd64")
    program.fill(0)
    assert.strictEqual(headerOf(yield* initProgram("amd64")).magic, elf.magic)
  }),
)

it.effect("an unknown architecture is refused by name, and the error lists the known ones", () =>
  Effect.gen(function* () {
    for (const architecture of ["riscv64", "", "toString", "AMD64"]) {
      const error = yield* Effect.flip(initProgram(architecture))
      assert.instanceOf(error, UnsupportedArchitecture)
      assert.strictEqual(error.architecture, architecture)
      assert.include(error.message, JSON.stringify(architecture))
      assert.include(error.message, "linux/amd64 and linux/arm64")
    }
  }),
)

/** What `init/build` computes. */
const sourcesHash = () => {
  const folder = join(root, "init/src")
  const sha256 = (content: Buffer | string) => createHash("sha256").update(content).digest("hex")
  const files = readdirSync(folder).filter((name) => /\.[ch]$/.test(name))
  const sorted = [...files.filter((name) => name.endsWith(".c")).sort()]
  sorted.push(...files.filter((name) => name.endsWith(".h")).sort())
  return sha256(
    sorted.map((name) => `${sha256(readFileSync(join(folder, name)))}  ./${name}\n`).join(""),
  )
}

it("the shipped programs were built from the sources that are here (else: run init/build)", () => {
  const hash = sourcesHash()
  for (const architecture of ["amd64", "arm64"]) {
    const file = join(root, "packages/init/src/generated", `${architecture}.ts`)
    assert.include(readFileSync(file, "utf8"), `// Sources: ${hash}\n`)
  }
})

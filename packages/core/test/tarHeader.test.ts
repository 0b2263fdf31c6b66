import { assert, describe, it } from "@effect/vitest"
import tar from "tar-stream"
import { archiveEnd, tarHeader } from "../src/transfer/tarHeader.ts"

describe("a header of an archive", () => {
  const header = (path: string, size = 0, linkTarget = "") =>
    tarHeader({
      path,
      kind: linkTarget === "" ? "file" : "hardlink",
      size,
      mode: 0o644,
      linkTarget,
    })

  /** What another tar reads of a header. */
  const parsed = (bytes: Uint8Array) =>
    new Promise<tar.Header>((resolve, reject) => {
      const extract = tar.extract()
      extract.on("entry", resolve)
      extract.on("error", reject)
      extract.write(bytes)
    })

  it("is one block if the old format can hold it, else preceded by an extended header", () => {
    const name = "n".repeat(100)
    for (const [path, blocks] of [
      [name, 1],
      [`x${name}`, 3],
      [`x/${name}`, 1],
      [`${"p".repeat(155)}/${name}`, 1],
      [`${"p".repeat(156)}/${name}`, 3],
      [`${"p".repeat(100)}/`, 3],
      [`/${name}`, 3],
      ["é", 3],
    ] as const) {
      assert.strictEqual(header(path).length, blocks * 512, path)
    }
    assert.strictEqual(header("a", 0, name).length, 512)
    assert.strictEqual(header("a", 0, `x${name}`).length, 3 * 512)
    assert.strictEqual(archiveEnd().length, 1024)
    for (const [time, blocks] of [
      [1_600_000_000_000, 1],
      [1_600_000_000_001, 3],
    ] as const) {
      const dated = {
        path: "a",
        kind: "file" as const,
        size: 0,
        mode: 0o644,
        modifiedAt: new Date(time),
      }
      assert.strictEqual(tarHeader(dated).length, blocks * 512, String(time))
    }
  })

  it("stores sizes beyond eight gigabytes", async () => {
    for (const size of [8 ** 11 - 1, 8 ** 11, 2 ** 40 + 5]) {
      assert.strictEqual((await parsed(header("a", size))).size, size)
    }
  })

  it("stores names whose record needs one more digit for its own length", async () => {
    for (let length = 75; length < 110; length++) {
      const path = `é${"x".repeat(length)}`
      assert.strictEqual((await parsed(header(path))).name, path)
    }
  })
})

import { createSandboxes } from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { DeepagentsSandbox } from "@cordon/slots/deepagents"
import { assert, describe, it } from "@effect/vitest"

describe("the backend of a deep agent", () => {
  it("reports the outcome for each file", async () => {
    await using sandboxes = createSandboxes({ driver: memory() })
    const backend = new DeepagentsSandbox(await sandboxes.create())
    const bytes = Uint8Array.of(0xff, 0)
    assert.deepStrictEqual(
      await backend.uploadFiles([
        ["/workspace/a", bytes],
        ["/tmp", bytes],
        ["bad\0path", bytes],
      ]),
      [
        { path: "/workspace/a", error: null },
        { path: "/tmp", error: "is_directory" },
        { path: "bad\0path", error: "invalid_path" },
      ],
    )
    assert.deepStrictEqual(await backend.downloadFiles(["/workspace/a", "/none", "/tmp"]), [
      { path: "/workspace/a", content: bytes, error: null },
      { path: "/none", content: null, error: "file_not_found" },
      { path: "/tmp", content: null, error: "is_directory" },
    ])
  })

  it("runs commands, and reports truncated output", async () => {
    await using sandboxes = createSandboxes({ driver: memory(), outputLimit: 1000 })
    const backend = new DeepagentsSandbox(await sandboxes.create())
    assert.deepStrictEqual(await backend.execute("echo out; echo err >&2; exit 2"), {
      output: "out\nerr\n",
      exitCode: 2,
      truncated: false,
    })
    assert.isTrue((await backend.execute("seq 1 10000")).truncated)
  })

  it("reports a killed command", async () => {
    await using sandboxes = createSandboxes({ driver: memory(), execTimeout: 200 })
    const backend = new DeepagentsSandbox(await sandboxes.create())
    assert.match((await backend.execute("sleep 60")).output, /time limit/)
  })

  it("edits a unique text with the framework's own editor", async () => {
    await using sandboxes = createSandboxes({ driver: memory() })
    const backend = new DeepagentsSandbox(await sandboxes.create())
    await backend.write("/workspace/a.txt", "one one")
    assert.match((await backend.edit("/workspace/a.txt", "one", "two")).error ?? "", /Multiple/)
    await backend.edit("/workspace/a.txt", "one", "two", true)
    assert.strictEqual((await backend.execute("cat a.txt")).output, "two two")
  })
})

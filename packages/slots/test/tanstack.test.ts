import { createSandboxes, InvalidInput } from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { tanstackSandbox } from "@cordon/slots/tanstack"
import { assert, describe, it } from "@effect/vitest"

describe("a sandbox of TanStack AI", () => {
  it("is found by the requested ID, and by its own", async () => {
    await using sandboxes = createSandboxes({ driver: memory() })
    const provider = tanstackSandbox({ sandboxes })
    const made = await provider.create({ id: "thread:1/ä", env: { TOKEN: "secret" } })
    await made.fs.write("/workspace/a", "A")
    for (const id of ["thread:1/ä", made.id]) {
      const found = await provider.resume({ id })
      assert.strictEqual(await found?.fs.read("a"), "A")
    }
    assert.isNull(await provider.resume({ id: "thread:2" }))
    const { stdout } = await made.process.exec('echo "$TOKEN"; pwd')
    assert.strictEqual(stdout, "secret\n/workspace\n")
    const another = await provider.create({ id: "thread:1/ä" })
    assert.isFalse(await another.fs.exists("a"))
    assert.notStrictEqual(another.id, made.id)
    await provider.destroy({ id: "thread:1/ä" })
    await provider.destroy({ id: "thread:1/ä" })
    await another.destroy()
    assert.isEmpty(await sandboxes.list())
  })

  it("has files, variables, and only the ports that it was given", async () => {
    await using sandboxes = createSandboxes({ driver: memory() })
    const handle = await tanstackSandbox({ sandboxes }).create({})
    const { fs, process, env, ports } = handle
    await fs.mkdir("/workspace/b/c")
    await fs.write("b/one", Uint8Array.of(0xff))
    assert.deepStrictEqual(await fs.readBytes("b/one"), Uint8Array.of(0xff))
    assert.sameDeepMembers(await fs.list("/workspace/b"), [
      { name: "c", path: "/workspace/b/c", type: "dir" },
      { name: "one", path: "/workspace/b/one", type: "file" },
    ])
    await fs.rename("b/one", "b/two")
    await fs.remove("b")
    await fs.remove("b")
    assert.isFalse(await fs.exists("b"))
    await env.set({ NAME: "ada" })
    assert.strictEqual((await process.exec('echo "$NAME"')).stdout, "ada\n")
    assert.isFalse(handle.capabilities.ports)
    const refused = await ports.connect(22).catch((error: unknown) => error)
    assert.instanceOf(refused, InvalidInput)
  })
})

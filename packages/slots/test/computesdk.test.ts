import { createSandboxes, InvalidInput } from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { computesdkProvider } from "@cordon/slots/computesdk"
import { assert, describe, it } from "@effect/vitest"
import { compute } from "computesdk"
import { rejects } from "./rejects.ts"

describe("a provider of ComputeSDK", () => {
  it("makes sandboxes with the program's and the creation's options, and finds them again", async () => {
    await using sandboxes = createSandboxes({ driver: memory() })
    const provider = computesdkProvider({ sandboxes, create: { tags: { made: "here" } } })
    const { sandbox } = compute({ provider })
    const made = await sandbox.create({
      name: "work",
      directory: "/srv",
      envs: { TOKEN: "secret" },
      metadata: { user: "ada", age: 36 },
      memoryMiB: 128,
    })
    assert.deepInclude(await made.getInfo(), {
      id: "work",
      provider: "cordon",
      status: "running",
      metadata: { made: "here", user: "ada", age: "36" },
    })
    const { limits } = (await sandboxes.get("work")).info
    assert.strictEqual(limits.memory, 128 * 1024 ** 2)
    assert.strictEqual((await made.runCommand('pwd; echo "$TOKEN"')).stdout, "/srv\nsecret\n")
    const found = await sandbox.getById("work")
    assert.strictEqual(found?.sandboxId, "work")
    assert.lengthOf(await sandbox.list(), 1)
    await sandboxes.get("work").then((own) => own.stop())
    assert.isEmpty(await sandbox.list())
    assert.strictEqual((await made.getInfo()).status, "stopped")
    await made.destroy()
    await sandbox.destroy("work")
    assert.isNull(await provider.sandbox.getById("work"))
  })

  it("makes sandboxes from the image that a creation names", async () => {
    await using sandboxes = createSandboxes({ driver: memory() })
    const create = { image: "alpine:3.22" }
    const provider = computesdkProvider({ sandboxes, create })
    const imageOf = async (asked: Parameters<typeof provider.sandbox.create>[0]) =>
      (await provider.sandbox.create(asked)).getInstance().info.image
    assert.strictEqual(await imageOf({}), "alpine:3.22")
    assert.strictEqual(await imageOf({ image: "node:24" }), "node:24")
    assert.strictEqual(await imageOf({ templateId: "node:22" }), "node:22")
    assert.isUndefined(provider.snapshot)
  })

  it("runs commands with their options, and streams what they write", async () => {
    await using sandboxes = createSandboxes({ driver: memory() })
    const box = await computesdkProvider({ sandboxes }).sandbox.create()
    await box.filesystem.mkdir("below")
    const heard: Array<string> = []
    const result = await box.runCommand('basename "$PWD"; echo "$NAME" >&2; exit 3', {
      cwd: "below",
      env: { NAME: "ada" },
      onStdout: (text) => heard.push(text),
      onStderr: (text) => heard.push(text),
    })
    assert.deepInclude(result, { stdout: "below\n", stderr: "ada\n", exitCode: 3 })
    assert.sameMembers(heard, ["below\n", "ada\n"])
    const late = await box.runCommand("sleep 600", { timeout: 200 })
    assert.strictEqual(late.exitCode, 124)
    assert.match(late.stderr, /time limit/)
    const both = box.runCommand("true", { background: true, onStdout: () => {} })
    assert.instanceOf(await rejects(both), InvalidInput)
    assert.instanceOf(await rejects(box.getUrl({ port: 22 })), InvalidInput)
  })

  it("reads, writes, lists and removes files", async () => {
    await using sandboxes = createSandboxes({ driver: memory() })
    const { filesystem } = await computesdkProvider({ sandboxes }).sandbox.create()
    await filesystem.writeFile("a/b.txt", "text")
    await filesystem.mkdir("a/c")
    assert.strictEqual(await filesystem.readFile("a/b.txt"), "text")
    assert.deepStrictEqual(
      (await filesystem.readdir("a")).map(({ name, type }) => `${name} ${type}`),
      ["b.txt file", "c directory"],
    )
    assert.isTrue(await filesystem.exists("a"))
    await filesystem.remove("a")
    assert.isFalse(await filesystem.exists("a"))
  })

  it("kills its commands when its signal is aborted", async () => {
    await using sandboxes = createSandboxes({ driver: memory() })
    const controller = new AbortController()
    const provider = computesdkProvider({ sandboxes, signal: controller.signal })
    const box = await provider.sandbox.create()
    const command = rejects(box.runCommand("sleep 600"))
    const reason = new Error("enough")
    controller.abort(reason)
    assert.strictEqual(await command, reason)
    assert.strictEqual(box.getInstance().name, box.sandboxId)
    assert.strictEqual(box.getProvider(), provider)
  })
})

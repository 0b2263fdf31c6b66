import { createSandboxes, NotText } from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { bashToolSandbox } from "@cordon/slots/bash-tool"
import { assert, describe, it } from "@effect/vitest"
import { createBashTool } from "bash-tool"

describe("a sandbox of bash-tool", () => {
  it("starts with the files, in its own working directory", async () => {
    await using sandboxes = createSandboxes({ driver: memory() })
    const sandbox = await sandboxes.create({ workdir: "/srv/app" })
    const toolkit = await createBashTool({ ...bashToolSandbox(sandbox), files: { "a/b": "text" } })
    const { stdout } = await toolkit.sandbox.executeCommand("cat /srv/app/a/b; pwd")
    assert.strictEqual(stdout, "text/srv/app\n")
    assert.strictEqual(await sandbox.files.readText("a/b"), "text")
  })

  it("rejects content that is no text, and ends with its signal", async () => {
    await using sandboxes = createSandboxes({ driver: memory() })
    const controller = new AbortController()
    const options = { signal: controller.signal }
    const { sandbox } = bashToolSandbox(await sandboxes.create(), options)
    await sandbox.writeFiles([{ path: "a", content: Buffer.of(0xff) }])
    const problem = await sandbox.readFile("a").catch((error: unknown) => error)
    assert.instanceOf(problem, NotText)
    const reason = new Error("enough")
    const command = sandbox.executeCommand("sleep 600").catch((error: unknown) => error)
    controller.abort(reason)
    assert.strictEqual(await command, reason)
  })
})

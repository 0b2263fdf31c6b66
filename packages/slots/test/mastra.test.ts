import { createSandboxes } from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { CordonMastraSandbox } from "@cordon/slots/mastra"
import { assert, describe, it } from "@effect/vitest"

describe("the sandbox of a Mastra workspace", () => {
  it("is created on its first use, and found again by its name", async () => {
    await using sandboxes = createSandboxes({ driver: memory() })
    const sandbox = new CordonMastraSandbox({ sandboxes, name: "work", env: { NAME: "ada" } })
    assert.isEmpty(await sandboxes.list())
    const result = await sandbox.executeCommand("printf", ["%s|", "a b", "it's"])
    assert.deepInclude(result, { success: true, exitCode: 0, stdout: "a b|it's|" })
    assert.strictEqual((await sandbox.executeCommand('echo "$NAME"')).stdout, "ada\n")
    await sandbox.writeFiles([{ path: "a", content: "A", mode: 0o600 }])
    await sandbox.stop()
    const again = new CordonMastraSandbox({ sandboxes, name: "work" })
    assert.strictEqual((await again.executeCommand("cat a")).stdout, "A")
    assert.deepInclude(await again.getInfo(), { id: "work", status: "running" })
    await again.destroy()
    assert.isEmpty(await sandboxes.list())
  })

  it("reports a command's exit code, timeout or abort", async () => {
    await using sandboxes = createSandboxes({ driver: memory() })
    const sandbox = new CordonMastraSandbox({ sandboxes })
    const failed = await sandbox.executeCommand("echo no >&2; exit 3")
    assert.deepInclude(failed, { success: false, exitCode: 3, stderr: "no\n" })
    const late = await sandbox.executeCommand("sleep 60", [], { timeout: 200 })
    assert.deepInclude(late, { success: false, timedOut: true })
    assert.match(late.stderr, /time limit/)
    // A model may ask for any time.
    const bounded = new CordonMastraSandbox({ sandboxes, name: sandbox.id, maxTimeout: 200 })
    const held = await bounded.executeCommand("sleep 60", [], { timeout: 3_600_000 })
    assert.deepInclude(held, { success: false, timedOut: true })
    const controller = new AbortController()
    const abortSignal = controller.signal
    const aborted = sandbox
      .executeCommand("sleep 600", [], { abortSignal })
      .catch((error: unknown) => error)
    const reason = new Error("enough")
    controller.abort(reason)
    assert.strictEqual(await aborted, reason)
    assert.isNull(await sandbox.networking.getPortUrl(22))
  })
})

import { assert, describe, it } from "@effect/vitest"
import { openBox } from "./extraBox.ts"

const shell = "sandbox_shell"

describe("sandbox_shell", () => {
  it("keeps variables and the folder, separately for each sandbox", async () => {
    await using box = await openBox()
    await box.toolset.sandboxes.create({ name: "other" })
    await box.ok(shell, { command: "mkdir -p /tmp/x; cd /tmp/x; X=1" })
    const look = 'pwd; echo "x$X"'
    assert.strictEqual((await box.ok(shell, { command: look })).text, "/tmp/x\nx1")
    const other = await box.ok(shell, { command: look, sandbox: "other" })
    assert.match(other.text, /^\/[^\n]*\nx$/)
    assert.notInclude(other.text, "/tmp/x")
  })

  it("restarts on request, also without a command", async () => {
    await using box = await openBox()
    await box.ok(shell, { command: "X=1" })
    await box.ok(shell, { restart: true })
    const { text } = await box.ok(shell, { command: 'echo "x$X"' })
    assert.strictEqual(text, "x")
  })

  it("starts a new shell in a sandbox made again under the same name", async () => {
    await using box = await openBox()
    await box.ok(shell, { command: "X=1" })
    await box.sandbox.remove()
    await box.failed(shell, { command: "true" }, "SandboxNotFound", /sandbox_create/)
    await box.toolset.sandboxes.create({ name: "box" })
    const { text } = await box.ok(shell, { command: 'echo "x$X"' })
    assert.strictEqual(text, "x")
  })

  it("starts one shell for concurrent first calls", async () => {
    await using box = await openBox()
    await box.ok(shell, { command: "N=0" })
    const add = () => box.ok(shell, { command: "N=$((N + 1))" })
    await Promise.all(Array.from({ length: 10 }, add))
    assert.strictEqual((await box.ok(shell, { command: "echo $N" })).text, "10")
  })

  it("handles exit codes, errors and input as sandbox_exec does", async () => {
    await using box = await openBox()
    const input = { command: "cat; echo no >&2; exit 3", stdin: "yes\n" }
    const { text } = await box.ok(shell, input)
    assert.strictEqual(text, "yes\n[stderr]\nno\n[exit code 3]")
    assert.strictEqual((await box.ok(shell, { command: "true" })).text, "[exit code 0, no output]")
  })

  it("writes an output that it truncates to a file", async () => {
    await using box = await openBox()
    const { text } = await box.ok(shell, { command: "seq 1 20000; echo bad >&2" })
    const [, path = ""] = / the middle was cut\. All of it is in (\S+): /.exec(text) ?? []
    const kept = await box.sandbox.files.readText(path)
    assert.isTrue(kept.startsWith("[stdout]\n1\n2\n"), kept.slice(0, 100))
    assert.isTrue(kept.endsWith("\n20000\n\n[stderr]\nbad\n"), kept.slice(-100))
  })
})

describe("tools for a feature that the driver lacks", () => {
  it("fail with an error that says so", async () => {
    await using box = await openBox()
    await box.failed("sandbox_ports", {}, "Unsupported", /does not support ports/)
    await box.failed("sandbox_process_logs", {}, "Unsupported", /does not support processes/)
  })
})

import { createSandboxes } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { createTools, type PromiseTool } from "@cordon/tools"
import { assert, describe, it } from "@effect/vitest"
import { noEngine, noGvisor } from "../support/docker.ts"
import { serve } from "../support/serve.ts"
import { image } from "./support.ts"

type Tools<Name extends string> = Readonly<Record<Name, PromiseTool>>

/** Calls a tool that must succeed. @returns what a model reads */
const ok = async <Name extends string>(byName: Tools<Name>, name: Name, input: object = {}) => {
  const result = await byName[name].execute({ sandbox: "box", ...input })
  assert.isTrue(result.ok, `${name}: ${result.text}`)
  return result.text
}

describe.each([
  ["runc", noEngine],
  ["gvisor", noGvisor],
] as const)("the optional tools in a sandbox under %s", (runtime, missing) => {
  it("start, inspect, feed and stop background processes", async (ctx) => {
    if (missing !== undefined) return ctx.skip(missing)
    await using toolset = createTools({ driver: docker(), image, runtime, extra: ["processes"] })
    const { byName } = toolset
    await toolset.sandboxes.create({ name: "box", network: "none" })
    const none = await ok(byName, "sandbox_process_logs")
    assert.strictEqual(none, "There are no background processes in this sandbox.")

    const failing = { command: "echo oops >&2; exit 3", name: "failing" }
    assert.match(await ok(byName, "sandbox_process_start", failing), /^Started "failing": it is /)
    const failed = { process: "failing", wait_seconds: 600 }
    assert.strictEqual(
      await ok(byName, "sandbox_process_logs", failed),
      "[stderr]\noops\n[failing: ended with exit code 3]",
    )

    const asking = { command: 'read -r line; echo "got $line"; exec sleep 1000', name: "asking" }
    await ok(byName, "sandbox_process_start", { ...asking, stdin: true })
    const answer = { process: "asking", text: "hi\n" }
    assert.match(await ok(byName, "sandbox_process_input", answer), /given 3 bytes/)
    const logs = () => ok(byName, "sandbox_process_logs", { process: "asking" })
    while (!(await logs()).startsWith("got hi\n[asking: running for "));
    const stop = await ok(byName, "sandbox_process_stop", { process: "asking" })
    assert.match(stop, /^"asking" is stopped: it ended with exit code (?:143|137)\.$/)
    const closed = await byName.sandbox_process_input.execute({ sandbox: "box", ...answer })
    assert.match(closed.text, /^Error: The background process "asking" takes no input/)
    const unknown = await byName.sandbox_process_stop.execute({ sandbox: "box", process: "other" })
    assert.match(unknown.text, /^Error: There is no background process "other".*process_logs/)

    await ok(byName, "sandbox_process_start", { command: "seq 1 20000", name: "long" })
    const long = await ok(byName, "sandbox_process_logs", { process: "long", wait_seconds: 600 })
    assert.match(
      long,
      /^\d+\n(?:.|\n)*\n20000\n\[The process wrote 108,894 bytes; the end is shown/,
    )
    const [, path = ""] = / All of it is in (\S+): /.exec(long) ?? []
    const sandbox = await toolset.sandboxes.get("box")
    assert.strictEqual((await sandbox.files.readText(path)).split("\n")[0], "1")

    const all = await ok(byName, "sandbox_process_logs")
    assert.match(all, /^failing: ended with exit code 3, 5 bytes of output: echo oops.*\nasking: /)
  })

  it("wait for a port, and list ports with listeners", async (ctx) => {
    if (missing !== undefined) return ctx.skip(missing)
    const extra = ["processes", "ports"] as const
    await using toolset = createTools({ driver: docker(), image, runtime, extra })
    const { byName } = toolset
    await toolset.sandboxes.create({ name: "box", network: "none" })
    assert.match(await ok(byName, "sandbox_ports"), /^Nothing listens/)
    await ok(byName, "sandbox_process_start", { command: serve })
    const waited = { wait_for: 8000, timeout_seconds: 300 }
    assert.strictEqual(await ok(byName, "sandbox_ports", waited), "Listened on: 8000")
    const silent = { sandbox: "box", wait_for: 9, timeout_seconds: 1 }
    const result = await byName.sandbox_ports.execute(silent)
    assert.match(result.text, /^Error: Port 9 of the sandbox can't be reached/)
  })

  it("keep a shell's folder, variables and functions between calls, and leave no process or file of it", async (ctx) => {
    if (missing !== undefined) return ctx.skip(missing)
    await using sandboxes = createSandboxes({ driver: docker(), image, runtime })
    const sandbox = await sandboxes.create({ network: "none" })
    const shell = { sandbox: sandbox.name }
    {
      await using toolset = createTools({ sandbox, extra: ["shell"] })
      const { sandbox_shell } = toolset.byName
      const run = async (input: object) =>
        (await sandbox_shell.execute({ ...shell, ...input })).text
      await run({ command: "cd /usr; X=1; f() { echo in f; }" })
      const kept = { command: 'pwd; echo "$X"; f' }
      assert.strictEqual(await run(kept), "/usr\n1\nin f")
      const late = await run({ command: "X=2; sleep 1000", timeout_seconds: 1 })
      assert.match(late, /Killed with its children after/)
      assert.strictEqual(await run(kept), "/usr\n1\nin f")
      const long = await run({ command: "seq 1 20000" })
      const [, path = ""] = /was 108,894 bytes.* All of it is in (\S+): /.exec(long) ?? []
      assert.lengthOf((await sandbox.files.readText(path)).split("\n"), 20_001)
      const again = await run({ command: 'pwd; echo "x$X"', restart: true })
      assert.strictEqual(again, `${sandbox.info.workdir}\nx`)
    }
    const { stdout } = await sandbox.exec("ls -A /tmp | grep shell")
    assert.strictEqual(stdout, "")
  })
})

import { createSandboxes } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { createTools } from "@cordon/tools"
import { assert, describe, it } from "@effect/vitest"
import { noEngine } from "../support/docker.ts"
import { image } from "./support.ts"

const busybox = process.env["CORDON_TEST_BUSYBOX_IMAGE"]

describe("the shell of a sandbox", () => {
  it("runs background processes and terminals under bash, in a UTF-8 locale", async (ctx) => {
    if (noEngine !== undefined) return ctx.skip(noEngine)
    await using sandboxes = createSandboxes({ driver: docker(), image })
    const sandbox = await sandboxes.create({ network: "none" })
    const script = `[[ -n $BASH_VERSION ]] && echo "bash, $LANG"`
    const background = await sandbox.processes.start(script)
    assert.strictEqual(await background.wait(), 0)
    assert.strictEqual((await background.logs()).stdout, "bash, C.UTF-8\n")
    const program = await sandbox.processes.start(["printenv", "LANG"])
    assert.strictEqual(await program.wait(), 0)
    assert.strictEqual((await program.logs()).stdout, "C.UTF-8\n")
    for (const [command, shown] of [
      [script, "bash, C.UTF-8\r\n"],
      [["printenv", "LANG"], "C.UTF-8\r\n"],
    ] as const) {
      const terminal = await sandbox.terminal({ command })
      let seen = ""
      for await (const piece of terminal.output) seen += Buffer.from(piece).toString()
      assert.strictEqual(seen, shown)
    }
  })

  it("is sh when the image has no bash, and becomes bash once that is installed", async (ctx) => {
    const missing = noEngine ?? (busybox ? undefined : "CORDON_TEST_BUSYBOX_IMAGE is not set")
    if (missing !== undefined || busybox === undefined) return ctx.skip(missing)
    {
      await using sandboxes = createSandboxes({ driver: docker(), image: busybox })
      const sandbox = await sandboxes.create({ network: "none" })
      const shown = `echo "$0, \${LANG-none}"`
      assert.strictEqual((await sandbox.exec(shown)).stdout, "/bin/sh, none\n")
      const env = (await sandbox.exec(["env"])).stdout
      assert.notInclude(env, "LANG")
      assert.notInclude(env, "_cordon")
      // Says what it was given, and is not run where it is no program.
      await sandbox.files.write("/bin/bash", '#!/bin/sh\necho "bash $*"\n')
      assert.strictEqual((await sandbox.exec(shown)).stdout, "/bin/sh, none\n")
      await sandbox.exec(["chmod", "755", "/bin/bash"])
      assert.strictEqual((await sandbox.exec(":")).stdout, "bash -c -- :\n")
    }
  })

  it("is chosen by the init: a replaced /bin/sh changes neither shell, language nor home", async (ctx) => {
    if (noEngine !== undefined) return ctx.skip(noEngine)
    await using sandboxes = createSandboxes({ driver: docker(), image })
    const sandbox = await sandboxes.create({ network: "none" })
    await sandbox.exec(
      "printf '#!/bin/bash\\necho /fake\\n' >/tmp/fake && chmod 755 /tmp/fake && mv /tmp/fake /bin/sh",
    )
    assert.strictEqual((await sandbox.exec(["/bin/sh"])).stdout, "/fake\n")
    const script = `[[ -n $BASH_VERSION ]] && echo "bash, $LANG"`
    assert.strictEqual((await sandbox.exec(script)).stdout, "bash, C.UTF-8\n")
    assert.strictEqual(await sandbox.files.resolve("~/a"), "/root/a")
  })

  it("is named to a model when a bash command ran under sh", async (ctx) => {
    const missing = noEngine ?? (busybox ? undefined : "CORDON_TEST_BUSYBOX_IMAGE is not set")
    if (missing !== undefined || busybox === undefined) return ctx.skip(missing)
    await using toolset = createTools({ driver: docker(), image: busybox })
    const { sandbox_create, sandbox_exec } = toolset.byName
    const created = await sandbox_create.execute({ name: "box", network: "none" })
    assert.include(created.text, "Commands run under sh.")
    const run = async (command: string) =>
      (await sandbox_exec.execute({ sandbox: "box", command })).text
    assert.include(await run("echo {1..3}"), "[This sandbox has no bash: sh ran the command")
    assert.strictEqual(await run("echo a > f 2>&1; cat f >&1"), "a")
  })
})

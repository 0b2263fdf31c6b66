import { CordonMastraSandbox } from "@cordon/slots/mastra"
import { assert, describe } from "@effect/vitest"
import { serve } from "../support/serve.ts"
import { slot } from "./mastra.ts"
import { answerOf, engineTest, slotSuite } from "./suite.ts"

slotSuite(slot)

describe("mastra with sandboxes of its own", () => {
  engineTest(
    "runs processes that accept input and that another program finds",
    async (sandboxes) => {
      const { processes } = new CordonMastraSandbox({
        sandboxes,
        name: "work",
        env: { NAME: "ada" },
      })
      const echo = await processes.spawn(
        'while read line; do echo "$NAME got $line"; done; echo end >&2; exit 4',
      )
      await echo.sendStdin("one\n")
      const elsewhere = new CordonMastraSandbox({ sandboxes, name: "work" }).processes
      const found = await elsewhere.get(echo.pid)
      await found?.sendStdin("two\n")
      await found?.closeStdin()
      const ended = await echo.wait()
      const stdout = "ada got one\nada got two\n"
      assert.deepInclude(ended, { success: false, exitCode: 4, stdout, stderr: "end\n" })
      assert.deepInclude(await elsewhere.list(), {
        pid: echo.pid,
        command: (await processes.list())[0]?.command ?? "",
        running: false,
        exitCode: 4,
      })
      assert.isUndefined(await elsewhere.get("nothing"))
      const quiet = await processes.spawn("cat; echo over", { stdinMode: "ignore" })
      assert.strictEqual((await quiet.wait()).stdout, "over\n")
    },
  )

  engineTest(
    "ends processes on request, at their timeout and by their signal",
    async (sandboxes) => {
      const { processes } = new CordonMastraSandbox({ sandboxes })
      const killed = await processes.spawn("sleep 600")
      assert.isTrue(await processes.kill(killed.pid))
      assert.deepInclude(await killed.wait(), { success: false, killed: true })
      const late = await processes.spawn("sleep 600", { timeout: 100 })
      assert.deepInclude(await late.wait(), { success: false, timedOut: true })
      const controller = new AbortController()
      const aborted = await processes.spawn("sleep 600", { abortSignal: controller.signal })
      controller.abort()
      assert.deepInclude(await aborted.wait(), { success: false, killed: true })
      assert.isFalse((await processes.list()).some(({ running }) => running))
    },
  )

  engineTest("reaches only the ports that it was given", async (sandboxes) => {
    const sandbox = new CordonMastraSandbox({ sandboxes, ports: [8000] })
    await sandbox.writeFiles([{ path: "index.html", content: "from inside", mode: 0o640 }])
    assert.strictEqual(
      (await sandbox.executeCommand("stat", ["-c", "%a", "index.html"])).stdout,
      "640\n",
    )
    await sandbox.processes.spawn(serve)
    const url = await sandbox.networking.getPortUrl(8000)
    assert.strictEqual(await answerOf(`${url}/index.html`), "from inside")
    assert.isNull(await sandbox.networking.getPortUrl(22))
  })
})

import { text } from "node:stream/consumers"
import { harnessSandbox } from "@cordon/slots/ai-sdk-harness"
import { assert, describe } from "@effect/vitest"
import { harnessAgent, sessionOf, tell } from "./harnessAgent.ts"
import { engineTest, inAnotherProcess } from "./suite.ts"

describe("the AI SDK's HarnessAgent on runc", () => {
  engineTest(
    "continues its agent in another process, and keeps its files over a stop",
    async (sandboxes) => {
      const agent = harnessAgent(sandboxes)
      const chat = "Chat of Ada: 42"
      const first = await sessionOf(agent, chat)
      assert.strictEqual(
        await tell(agent, first, "echo written > work.txt; echo done"),
        "1: done\n",
      )
      const left = JSON.stringify(await first.detach())
      // The second turn is that of the same program, which asks first whether it is there.
      const said = await inAnotherProcess("resumeHarness.ts", sandboxes.sessionId, chat, left)
      assert.strictEqual(said, "3: written\n\n")
      const second = await sessionOf(agent, chat, JSON.parse(left))
      const stopped = await second.stop()
      assert.deepStrictEqual(
        (await sandboxes.list()).map(({ status }) => status),
        ["stopped"],
      )
      const third = await sessionOf(agent, chat, stopped)
      assert.strictEqual(
        await tell(agent, third, "cat work.txt ../.lines/installs"),
        "1: written\ninstalled\n",
      )
      await third.destroy()
      assert.isEmpty(await sandboxes.list())
    },
  )

  engineTest("installs the agent once when snapshots are enabled", async (sandboxes) => {
    const agent = harnessAgent(sandboxes, true)
    try {
      for (const chat of ["one", "two"]) {
        const session = await sessionOf(agent, chat)
        assert.strictEqual(await tell(agent, session, "cat ../.lines/installs"), "1: installed\n")
        await session.destroy()
      }
      assert.lengthOf(await sandboxes.snapshots.list(), 1)
    } finally {
      for (const { name } of await sandboxes.snapshots.list()) {
        await sandboxes.snapshots.remove(name)
      }
    }
  })

  engineTest(
    "rejects when its turn is aborted, and ends its agent with the session",
    async (sandboxes) => {
      const agent = harnessAgent(sandboxes)
      const session = await sessionOf(agent, "one")
      const controller = new AbortController()
      const turn = agent.generate({
        session,
        prompt: "echo yes > started; sleep 600",
        abortSignal: controller.signal,
      })
      const ended = turn.then(
        ({ text }) => text,
        () => "",
      )
      const [{ name } = assert.fail()] = await sandboxes.list()
      const sandbox = await sandboxes.get(name)
      while (!(await sandbox.files.exists("lines-one/started"))) {
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      controller.abort(new Error("the user left"))
      assert.strictEqual(await ended, "")
      await session.destroy()
      assert.isEmpty(await sandboxes.list())
    },
  )

  engineTest(
    "spawns processes with streams and input, which end when killed or aborted",
    async (sandboxes) => {
      const sandbox = await sandboxes.create()
      const session = harnessSandbox(sandbox)
      const process = await session.spawn({
        command: "while read line; do echo got $line; done; echo end >&2; exit 4",
        stdin: true,
      })
      if (!("stdin" in process)) assert.fail("it takes no input")
      const writer = process.stdin.getWriter()
      await writer.write(new TextEncoder().encode("one\ntwo\n"))
      await writer.close()
      const [out, error, ended] = await Promise.all([
        text(process.stdout),
        text(process.stderr),
        process.wait(),
      ])
      assert.deepStrictEqual([out, error, ended], ["got one\ngot two\n", "end\n", { exitCode: 4 }])

      const silent = await session.spawn({ command: "sleep 600" })
      const reading = silent.stdout.getReader()
      const read = reading.read()
      await reading.cancel()
      assert.isTrue((await read).done)
      await silent.kill()
      await silent.kill()
      assert.notStrictEqual((await silent.wait()).exitCode, 0)

      const controller = new AbortController()
      const { signal } = controller
      const aborted = await session.spawn({ command: "sleep 600", abortSignal: signal })
      const reason = new Error("enough")
      controller.abort(reason)
      assert.strictEqual(await aborted.wait().then(undefined, (error: unknown) => error), reason)
      const left = await sandbox.processes.list()
      assert.isEmpty(left.filter(({ status }) => status === "running"))
    },
  )
})

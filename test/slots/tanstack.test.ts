import { tanstackSandbox } from "@cordon/slots/tanstack"
import { assert, describe } from "@effect/vitest"
import { defineSandbox, InMemorySandboxStore } from "@tanstack/ai-sandbox"
import { core, credentials } from "../support/gitHost.ts"
import { serve } from "../support/serve.ts"
import { gitImage, noGitImage, withForge } from "./gitImage.ts"
import { answerOf, engineTest, slotSuite, until } from "./suite.ts"
import { slot } from "./tanstack.ts"

slotSuite(slot)

const joined = async (pieces: AsyncIterable<string>) => {
  let text = ""
  for await (const piece of pieces) text += piece
  return text
}

describe("tanstack with sandboxes of its own", () => {
  engineTest(
    "spawns processes that accept input, and end by signals and aborts",
    async (sandboxes) => {
      const { process } = await tanstackSandbox({ sandboxes }).create({})
      const echo = await process.spawn(
        "while read line; do echo got $line; done; echo end >&2; exit 4",
      )
      await echo.stdin.write("one\ntwo\n")
      await echo.stdin.end()
      const ended = await Promise.all([joined(echo.stdout), joined(echo.stderr), echo.wait()])
      assert.deepStrictEqual(ended, ["got one\ngot two\n", "end\n", 4])

      const asked = await process.spawn(
        "trap 'exit 7' INT; echo ready; while :; do sleep 0.1; done",
      )
      const said = asked.stdout[Symbol.asyncIterator]()
      assert.strictEqual((await said.next()).value, "ready\n")
      await asked.kill("SIGINT")
      assert.strictEqual(await asked.wait(), 7)
      for (const signal of [undefined, "SIGTERM", "SIGKILL", 9] as const) {
        const sleeping = await process.spawn("sleep 600")
        await sleeping.kill(signal)
        assert.notStrictEqual(await sleeping.wait(), 0)
      }

      const controller = new AbortController()
      const { signal } = controller
      const aborted = await process.spawn("sleep 600", { signal })
      const reason = new Error("enough")
      controller.abort(reason)
      assert.strictEqual(await aborted.wait().catch((error: unknown) => error), reason)
    },
  )

  engineTest("watches a folder, and reaches the port that it was given", async (sandboxes) => {
    const { fs, process, ports } = await tanstackSandbox({ sandboxes, ports: [8000] }).create({})
    const events: Array<string> = []
    const watch = await fs.watch?.("/workspace", ({ type, path }) => events.push(`${type} ${path}`))
    await fs.write("index.html", "from inside")
    await until(async () => events.includes("create /workspace/index.html"))
    await watch?.stop()
    await process.spawn(serve)
    const { url } = await ports.connect(8000)
    assert.strictEqual(await answerOf(`${url}/index.html`), "from inside")
  })

  engineTest(
    "continues from the framework's stored state when its sandbox is gone",
    async (sandboxes) => {
      const defined = defineSandbox({
        id: "kept",
        provider: tanstackSandbox({ sandboxes, snapshots: true }),
        workspace: { source: { type: "none" }, setup: ["echo $$ > made"] },
      })
      const run = { threadId: "1", runId: "1", store: new InMemorySandboxStore() }
      try {
        const first = await defined.ensure(run)
        const made = await first.fs.read("made")
        await first.destroy()
        const second = await defined.ensure(run)
        assert.strictEqual(await second.fs.read("made"), made)
        assert.notStrictEqual(second.id, first.id)
      } finally {
        for (const { name } of await sandboxes.list()) await (await sandboxes.get(name)).remove()
        for (const { name } of await sandboxes.snapshots.list()) {
          await sandboxes.snapshots.remove(name)
        }
      }
    },
  )

  engineTest(
    "clones into its folder, and leaves no credentials inside",
    (sandboxes) =>
      withForge(async (url, meet) => {
        const provider = tanstackSandbox({ sandboxes, create: { image: gitImage } })
        const { id, git, process } = await provider.create({})
        await meet(await sandboxes.get(id))
        const { username, password } = credentials
        await git.clone({
          url: `${url}/private/project.git`,
          auth: { username, token: password },
          depth: "full",
        })
        const { stdout } = await process.exec("cat README.md; git log --oneline | wc -l; ls -A")
        assert.match(stdout, /^one\ntwo\n\s*2\n/)
        assert.notInclude(stdout, ".clone-")
        assert.strictEqual((await git.branch()).trim(), "main")
        const kept = await process.exec(
          `grep -r '${core}' / --include='*' -s -l -I --exclude-dir=proc --exclude-dir=sys`,
        )
        assert.strictEqual(kept.stdout, "")
      }),
    noGitImage,
  )
})

import { openaiAgentsClient, openaiAgentsSession } from "@cordon/slots/openai-agents"
import { assert, describe } from "@effect/vitest"
import { run } from "@openai/agents"
import { gitRepo, Manifest } from "@openai/agents/sandbox"
import { prompt } from "../frameworks/script.ts"
import { core, credentials } from "../support/gitHost.ts"
import { serve } from "../support/serve.ts"
import { agentWith, clientOf, script } from "./approvalAgent.ts"
import { gitImage, noGitImage, withForge } from "./gitImage.ts"
import { slot, withModel } from "./openai-agents.ts"
import { engineTest, inAnotherProcess, slotSuite, until } from "./suite.ts"

slotSuite(slot)

describe("openai-agents with sandboxes of its own", () => {
  engineTest("types into running commands and terminals, and reaches ports", async (sandboxes) => {
    const session = await openaiAgentsClient({ sandboxes, ports: [8000] }).create()
    const ask = { cmd: "read name; echo hello $name; read more", yieldTimeMs: 50 }
    for (const tty of [false, true]) {
      const { sessionId = assert.fail("it has ended") } = await session.exec({ ...ask, tty })
      const said = { text: await session.writeStdin({ sessionId, chars: "ada\n" }) }
      while (!said.text.includes("hello ada")) said.text += await session.writeStdin({ sessionId })
      assert.include(said.text, `Process running with session ID ${sessionId}`)
      let last = await session.writeStdin({ sessionId, chars: "\x03" })
      while (!/Process exited with code/.test(last)) last = await session.writeStdin({ sessionId })
    }
    await session
      .createEditor()
      .createFile({ type: "create_file", path: "index.html", diff: "+in" })
    await session.exec({ cmd: serve, yieldTimeMs: 10 })
    const { host, port } = await session.resolveExposedPort(8000)
    let answer = ""
    await until(async () => {
      answer = await fetch(`http://${host}:${port}/index.html`).then(
        (response) => response.text(),
        () => "",
      )
      return answer !== ""
    })
    assert.strictEqual(answer.trim(), "in")
    await session.close()
    assert.isEmpty(await sandboxes.list())
  })

  engineTest(
    "continues in another process after an approval, and leaves nothing behind",
    async (sandboxes) => {
      const kept = await withModel(script, async (model) => {
        const sandbox = { client: clientOf(sandboxes) }
        const { state, interruptions } = await run(agentWith(model), prompt, { sandbox })
        assert.lengthOf(interruptions, 1)
        return state.toString()
      })
      assert.lengthOf(await sandboxes.list(), 1)
      const said = await inAnotherProcess("resumeRun.ts", sandboxes.sessionId, kept)
      assert.strictEqual(said.trim(), script.text)
      assert.isEmpty(await sandboxes.list())
    },
  )

  engineTest(
    "clones the repositories of its manifest, and leaves no credentials inside",
    (sandboxes) =>
      withForge(async (url, meet) => {
        const sandbox = await sandboxes.create({ image: gitImage, workdir: "/workspace" })
        await meet(sandbox)
        const { username, password } = credentials
        const login = `${username}:${encodeURIComponent(password)}`
        const repo = `${url.replace("://", `://${login}@`)}/private/project.git`
        const session = openaiAgentsSession(sandbox)
        await session.applyManifest(
          new Manifest({
            entries: {
              whole: gitRepo({ repo }),
              "tagged/part": gitRepo({ repo, ref: "v1", subpath: "src" }),
            },
          }),
        )
        const { stdout } = await sandbox.run("cat whole/README.md; ls -A . tagged tagged/part")
        assert.strictEqual(
          stdout,
          "one\ntwo\n.:\ntagged\nwhole\n\ntagged:\npart\n\ntagged/part:\n-n\n",
        )
        assert.strictEqual((await sandbox.exec(`grep -r '${core}' .`)).stdout, "")
      }),
    noGitImage,
  )
})

import { computesdkProvider } from "@cordon/slots/computesdk"
import { assert, describe } from "@effect/vitest"
import { compute } from "computesdk"
import { serve } from "../support/serve.ts"
import { slot } from "./computesdk.ts"
import { answerOf, engineTest, slotSuite } from "./suite.ts"

slotSuite(slot)

describe("computesdk's provider on runc", () => {
  engineTest("serves a background server at the URL of its port", async (sandboxes) => {
    const provider = computesdkProvider({ sandboxes, ports: [8000] })
    const { sandbox } = compute({ provider })
    const box = await sandbox.create({ directory: "/workspace", cpus: 1, memoryMiB: 256 })
    const { limits } = (await sandboxes.get(box.sandboxId)).info
    assert.deepInclude(limits, { cpus: 1, memory: 256 * 1024 ** 2 })
    await box.filesystem.writeFile("index.html", "from inside")
    await box.filesystem.writeFile("serve.sh", serve)
    await box.runCommand("sh serve.sh", { background: true })
    const url = await box.getUrl({ port: 8000 })
    assert.strictEqual(await answerOf(`${url}/index.html`), "from inside")
    await box.destroy()
    assert.isNull(await sandbox.getById(box.sandboxId))
  })

  engineTest(
    "makes a sandbox from a snapshot, without the variables of the first",
    async (sandboxes) => {
      const { sandbox, snapshot } = compute({
        provider: computesdkProvider({ sandboxes, snapshots: true }),
      })
      const first = await sandbox.create({ envs: { TOKEN: "secret" } })
      await first.runCommand('echo "$TOKEN" > token')
      const { id } = await snapshot.create(first.sandboxId, { name: "ready" })
      try {
        assert.deepStrictEqual(
          (await snapshot.list()).map(({ id }) => id),
          ["ready"],
        )
        const again = computesdkProvider({ sandboxes, create: { snapshot: id } })
        for (const second of [
          await sandbox.create({ snapshotId: id }),
          await again.sandbox.create(),
        ]) {
          const { stdout } = await second.runCommand('cat token; echo "[$TOKEN]"')
          assert.strictEqual(stdout, "secret\n[]\n")
          await second.destroy()
        }
      } finally {
        await snapshot.delete(id)
      }
    },
  )
})

import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { createSandboxes } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { assert, describe, it } from "@effect/vitest"
import { startProgram } from "../support/program.ts"
import { examine } from "./comparison/findings.ts"
import { frameworks } from "./comparison/frameworks.ts"
import { engine, type Framework, makePlace, noProviders, openOurs } from "./comparison/provider.ts"
import { cordon, tableOf, theirs } from "./comparison/recorded.ts"
import { until } from "./suite.ts"

const root = join(import.meta.dirname, "../..")
const page = readFileSync(join(root, "docs/slots/comparison.md"), "utf8")

const versionOf = (name: string): string => {
  const manifest = readFileSync(join(root, "node_modules", name, "package.json"), "utf8")
  return JSON.parse(manifest).version
}

const recordedOf = ({ name }: Framework) => theirs[name] ?? assert.fail(`${name} is not recorded`)

const stale = ({ provider }: Framework) =>
  `${provider} ${versionOf(provider)} does something else than before: change recorded.ts and docs/slots/comparison.md`

interface Place {
  readonly mark: string
  readonly folder: string
}

/** Makes sandboxes in a process of its own, and kills that; the frameworks' containers by their names. */
const abandon = async (sessionId: string, place: Place): Promise<Record<string, string>> => {
  const program = join(import.meta.dirname, "comparison/abandon.ts")
  const args = [place.mark, place.folder, sessionId, "1500"]
  const { child, ended, stdout } = startProgram(program, args)
  const early = ended.then(({ stderr }) => assert.fail(`The program ended: ${stderr}`))
  early.catch(() => {})
  try {
    while (!stdout().includes("\n")) await Promise.race([once(child.stdout, "data"), early])
  } finally {
    child.kill("SIGKILL")
    await ended
  }
  return JSON.parse(stdout())
}

const inPlace = (title: string, body: (place: Place) => Promise<void>) =>
  it(title, async (ctx) => {
    if (noProviders !== undefined) return ctx.skip(noProviders)
    const mark = randomUUID()
    await using place = makePlace(mark)
    await body({ mark, folder: place.folder })
  })

for (const framework of frameworks) {
  describe(`the Docker provider of ${framework.name}, beside ours`, () => {
    it("has its recorded results and version in the documentation", () => {
      assert.include(page, tableOf(recordedOf(framework)), "docs/slots/comparison.md")
      assert.include(page, `\`${framework.provider}\` ${versionOf(framework.provider)}`)
    })

    inPlace("makes a sandbox that behaves as recorded", async (place) => {
      const sessionId = randomUUID()
      const [its, ours] = await Promise.all([
        examine((env) => framework.theirs({ ...place, env, sessionId }), 1500),
        examine((env) => openOurs(framework, { ...place, env, sessionId }), 30_000),
      ])
      const { afterKill: _, ...held } = cordon
      assert.deepStrictEqual(ours, held)
      const { afterKill: __, ...recorded } = recordedOf(framework)
      assert.deepStrictEqual(its, recorded, stale(framework))
    })
  })
}

inPlace(
  "a killed program leaves containers of the framework's provider, and none of ours",
  async (place) => {
    const sessionId = randomUUID()
    const left = await abandon(sessionId, place)
    await using others = createSandboxes({ driver: docker(), idleTimeout: 1000, sessionId })
    await until(async () => (await others.list()).length === 0)
    for (const framework of frameworks) {
      const running = await engine.listContainers({ filters: { id: [left[framework.name] ?? ""] } })
      const afterKill = running.length === 0 ? "is removed" : "runs on"
      assert.strictEqual(afterKill, recordedOf(framework).afterKill, stale(framework))
    }
  },
)

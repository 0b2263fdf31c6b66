// What becomes of sandboxes whose last program was killed, with code inside that wants to go on.
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createSandboxes } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { assert, describe, it } from "@effect/vitest"
import { engine } from "../docker/support.ts"
import { noGvisor } from "../support/docker.ts"
import { type Dockerd, noDockerd, startDockerd } from "../support/dockerd.ts"
import { runProgram, startProgram } from "../support/program.ts"
import { freshSessionId } from "../support/sandbox.ts"
import { skipped } from "../support/skipped.ts"
import { image } from "./support.ts"

const runtimes = noGvisor === undefined ? ["runc", "gvisor"] : ["runc"]
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

// A sandbox ends about a minute after its last program, and later on a busy machine, since process 1 counts only
// the time in which it gets to run. Within this limit it has ended, or it never will.
const most = 300_000

const check = async ({ engine, socketPath }: Dockerd, attacks: string) => {
  const host = `unix://${socketPath}`
  const sessionId = freshSessionId()
  const file = join(import.meta.dirname, "expiryProgram.ts")
  const program = startProgram(file, [host, sessionId, image, attacks, ...runtimes])
  while (!program.stdout().includes("ready")) {
    await Promise.race([pause(100), program.ended.then(({ stderr }) => assert.fail(stderr))])
  }
  const containers = program.stdout().trim().split("\n").slice(0, -1)
  const extended = containers.pop() ?? ""
  assert.strictEqual(containers.length, 2 * runtimes.length)
  program.child.kill("SIGKILL")
  const killedAt = Date.now()

  const inspect = (id: string) => engine.getContainer(id).inspect()
  for (const id of containers) {
    while ((await inspect(id)).State.Running) {
      assert.isBelow(Date.now() - killedAt, most, `the container ${id} still runs`)
      await pause(1000)
    }
  }
  const cli = join(import.meta.dirname, "../../packages/cli/src/bin.ts")
  // Past the removal time, which counts for `gc` from the stop on.
  await pause(61_000)
  // It was without a program for as long as they were, longer than its own removeTimeout.
  assert.isTrue((await inspect(extended)).State.Running)
  const { stdout } = await runProgram(cli, ["gc", "--dry-run", "--json", "--host", host])
  const found: { readonly removed: ReadonlyArray<{ readonly kind: string }> } = JSON.parse(stdout)
  assert.strictEqual(
    found.removed.filter(({ kind }) => kind === "sandbox").length,
    2 * runtimes.length,
  )

  await using later = createSandboxes({
    driver: docker({ host }),
    sessionId: freshSessionId(),
    image,
  })
  assert.deepStrictEqual(await later.list(), [])
  const left = async () =>
    (await engine.listContainers({ all: true })).filter(({ Id }) => containers.includes(Id))
  while ((await left()).length > 0) await pause(1000)
}

describe("a sandbox whose last program was killed", () => {
  const title =
    "ends by itself whatever code inside does to prevent it, and a later program removes it"
  if (noDockerd !== undefined) skipped(title, noDockerd)
  else {
    it(title, async () => {
      const folder = mkdtempSync(join(tmpdir(), "cordon-expiry-"))
      try {
        const attacks = join(folder, "attacks")
        const source = join(import.meta.dirname, "../docker/initAttacks.c")
        execFileSync("gcc", ["-O1", "-static", "-o", attacks, source])
        // Of its own: the reaper of any other program would do what is to come by itself.
        const gvisor = noGvisor === undefined
        await using daemon = await startDockerd({ liveRestore: false, image, from: engine, gvisor })
        await check(daemon, attacks)
      } finally {
        rmSync(folder, { recursive: true })
      }
    }, 420_000)
  }
})

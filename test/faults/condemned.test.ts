// A sandbox that its engine can't end, and whom that holds up.
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { promisify } from "node:util"
import { createSandboxes, type PromiseSandbox } from "@cordon/core"
import { DockerEngine, docker, layerDriver, localEngine } from "@cordon/driver-docker"
import { dockerRemote } from "@cordon/driver-docker-remote"
import { assert, describe } from "@effect/vitest"
import { Effect, Layer } from "effect"
import type { Dockerd } from "../support/dockerd.ts"
import { freshSessionId } from "../support/sandbox.ts"
import { image, useDockerd } from "./support.ts"

const run = promisify(execFile)
const tagOf = ({ _tag }: { readonly _tag: string }) => _tag
const failure = (call: Promise<unknown>) => call.then(() => "no failure", tagOf)

describe("a sandbox that its engine can't end", () => {
  const own = useDockerd()

  const open = (
    { socketPath }: Dockerd,
    driver: typeof docker | typeof dockerRemote,
    sessionId: string,
  ) =>
    createSandboxes({
      driver: driver({ host: `unix://${socketPath}` }),
      sessionId,
      image,
      network: "none",
      limits: { memory: "64MiB", pids: 64 },
      idleTimeout: "20 seconds",
    })

  /** Has what manages the container for the engine hang: then nothing ends it. */
  const jam = async ({ engine }: Dockerd, { info }: PromiseSandbox) => {
    const { State } = await engine.getContainer(info.instanceId).inspect()
    const status = readFileSync(`/proc/${State.Pid}/status`, "utf8")
    const shim = Number(/^PPid:\s+(\d+)$/m.exec(status)?.[1])
    process.kill(shim, "SIGSTOP")
    return () => process.kill(shim, "SIGCONT")
  }

  const check = async (daemon: Dockerd, driver: typeof docker | typeof dockerRemote) => {
    const sessionId = freshSessionId()
    await using sandboxes = open(daemon, driver, sessionId)
    await using elsewhere = open(daemon, driver, freshSessionId())
    const [stuck, other] = await Promise.all([
      sandboxes.create({ name: "a" }),
      elsewhere.create({ name: "b" }),
    ])
    await other.snapshot("kept")
    const free = await jam(daemon, stuck)
    try {
      const late = { timeout: "1 second" } as const
      await using second = open(daemon, driver, sessionId)
      const found = await second.get("a")
      assert.strictEqual(await failure(found.exec("true", late)), "EngineUnreachable")
      // The container is the engine's to remove for as long as the others work.
      const removal = failure(stuck.remove())
      assert.strictEqual((await other.run("echo on")).stdout, "on\n")
      await other.stop()
      await other.start()
      assert.strictEqual((await elsewhere.snapshots.list()).length, 1)
      await (await elsewhere.create({ name: "c", snapshot: "kept" })).remove()
      await elsewhere.snapshots.remove("kept")
      const cli = ["--conditions=@cordon/source", "packages/cli/src/bin.ts"]
      const host = ["--host", `unix://${daemon.socketPath}`]
      await run("node", [...cli, "gc", ...host])
      assert.strictEqual(await removal, "SandboxCondemned")

      assert.deepStrictEqual(await sandboxes.list(), [])
      assert.strictEqual(await failure(sandboxes.get("a")), "SandboxNotFound")
      const later = await Promise.all(
        [
          stuck.exec("true"),
          stuck.files.read("a"),
          stuck.inspect(),
          stuck.stop(),
          stuck.remove(),
        ].map(failure),
      )
      assert.deepStrictEqual([...new Set(later)], ["SandboxCondemned"])
      const fresh = await sandboxes.create({ name: "a" })
      assert.strictEqual((await fresh.run("echo new")).stdout, "new\n")
      await using third = open(daemon, driver, sessionId)
      assert.deepStrictEqual(
        (await third.list()).map(({ instanceId }) => instanceId),
        [fresh.info.instanceId],
      )
      assert.strictEqual((await (await third.get("a")).run("echo three")).stdout, "three\n")
    } finally {
      free()
    }
    // The reaper of whatever program comes first.
    const isThere = async () =>
      (await daemon.engine.listContainers({ all: true })).some(
        ({ Id }) => Id === stuck.info.instanceId,
      )
    while (await isThere()) await new Promise((resolve) => setTimeout(resolve, 500))
    assert.strictEqual((await sandboxes.list()).length, 1)
  }

  own.test(
    "is refused and unlisted, does not block others, and is removed as soon as that works",
    async (daemon) => {
      await Promise.all([docker, dockerRemote].map((driver) => check(daemon, driver)))
    },
    240_000,
  )

  /** A driver whose look at the tables of users is always a moment too early. */
  const early = ({ socketPath }: Dockerd) =>
    layerDriver().pipe(
      Layer.provide(
        Layer.effect(
          DockerEngine,
          Effect.map(DockerEngine, (engine) => ({
            ...engine,
            containerPathStat: () => Effect.succeedNone,
          })),
        ),
      ),
      Layer.provide(localEngine(socketPath)),
    )

  const checkSwap = async (daemon: Dockerd) => {
    const sessionId = freshSessionId()
    await using sandboxes = open(daemon, docker, sessionId)
    const [swapped, other] = await Promise.all(["a", "b"].map((name) => sandboxes.create({ name })))
    assert(swapped && other)
    await swapped.run("rm -f /etc/passwd /etc/group; mkfifo /etc/passwd /etc/group")
    await using second = createSandboxes({
      driver: early(daemon),
      sessionId,
      image,
      network: "none",
    })
    const found = await second.get("a")
    const late = failure(found.exec("true", { timeout: "1 second" }))
    assert.strictEqual((await other.run("echo on")).stdout, "on\n")
    assert.strictEqual((await (await second.get("b")).run("echo two")).stdout, "two\n")
    await (await second.create()).remove()
    assert.strictEqual(await late, "EngineUnreachable")
    assert.strictEqual((await swapped.run(["echo", "on"])).stdout, "on\n")
    assert.include(["no failure", "SandboxCondemned"], await failure(swapped.remove()))
    assert.strictEqual((await second.list()).length, 1)
    assert.strictEqual((await (await second.create({ name: "a" })).run("echo new")).stdout, "new\n")
  }

  own.test(
    "fails only one call when /etc/passwd and /etc/group are replaced by FIFOs",
    checkSwap,
    180_000,
  )
})

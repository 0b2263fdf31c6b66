// The engine's containerd hangs, and is killed, while sandboxes are in use.
import { createSandboxes } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { assert, describe } from "@effect/vitest"
import type { Dockerd } from "../support/dockerd.ts"
import { freshSessionId } from "../support/sandbox.ts"
import { image, useDockerd } from "./support.ts"

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

describe("an engine whose containerd hangs and is killed", () => {
  const own = useDockerd()

  const open = ({ socketPath }: Dockerd, sessionId: string) =>
    createSandboxes({
      driver: docker({ host: `unix://${socketPath}` }),
      sessionId,
      image,
      network: "none",
      limits: { memory: "64MiB", pids: 64 },
    })

  const outcome = (call: Promise<unknown>) =>
    call.then(
      () => "ok",
      ({ _tag }) => _tag,
    )

  own.test(
    "keeps running commands and file transfers alive, fails every other call in time, and recovers",
    async (daemon) => {
      const sessionId = freshSessionId()
      await using sandboxes = open(daemon, sessionId)
      await using second = open(daemon, sessionId)
      const names = ["used", "gotten", "removed"] as const
      const [used] = await Promise.all(names.map((name) => sandboxes.create({ name })))
      assert.isDefined(used)
      // Of another program, which has no connection to them yet.
      const [gotten, removed] = await Promise.all(names.slice(1).map((name) => second.get(name)))
      assert(gotten && removed)
      const underWay = outcome(
        used.run("echo begun > begun; while [ ! -e end ]; do sleep 0.1; done"),
      )
      while (!(await used.files.exists("begun"))) await pause(50)
      daemon.signalContainerd("SIGSTOP")
      try {
        assert.strictEqual((await used.run("echo on")).stdout, "on\n")
        await used.files.write("file", "x".repeat(200_000))
        assert.lengthOf(await used.files.readText("file"), 200_000)
        const late = await used.exec("sleep 100", { timeout: "1 second" })
        assert.isTrue(late.timedOut)
        // What needs containerd fails, and takes no longer than a call may.
        const others = [removed.remove(), second.create()]
        assert.notInclude(await Promise.all(others.map(outcome)), "ok")
      } finally {
        daemon.signalContainerd("SIGKILL")
      }
      await used.files.write("end", "")
      assert.strictEqual(await underWay, "ok")
      // Until the daemon has started it again.
      while ((await outcome(second.create({ name: "later" }))) !== "ok") await pause(1000)
      assert.strictEqual((await used.run("echo on")).stdout, "on\n")
      assert.strictEqual((await gotten.run("echo on")).stdout, "on\n")
      await (await second.get("later")).remove()
    },
    180_000,
  )
})

import { createSandboxes } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { dockerRemote } from "@cordon/driver-docker-remote"
import { assert, describe } from "@effect/vitest"
import type { Dockerd } from "../support/dockerd.ts"
import { freshSessionId } from "../support/sandbox.ts"
import { image, useDockerd } from "./support.ts"

/** Its threads take a moment to stop. */
const hang = async (daemon: Dockerd) => {
  daemon.signal("SIGSTOP")
  await new Promise((resolve) => setTimeout(resolve, 500))
}

const drivers = { docker, "docker-remote": dockerRemote }

describe("an engine that hangs", () => {
  const own = useDockerd()

  own.test(
    "and recovers after its connections were dropped runs each later command exactly once",
    async (daemon) => {
      await using stack = new AsyncDisposableStack()
      const boxes = await Promise.all(
        Object.values(drivers).map((driver) =>
          stack
            .use(
              createSandboxes({
                driver: driver({ host: `unix://${daemon.socketPath}` }),
                sessionId: freshSessionId(),
                image,
                network: "none",
                limits: { memory: "64MiB", pids: 64 },
              }),
            )
            .create(),
        ),
      )
      for (const box of boxes) await box.run("true")
      await hang(daemon)
      try {
        // The inits give a connection up after 30 s, this side some seconds later.
        await new Promise((resolve) => setTimeout(resolve, 32_500))
      } finally {
        daemon.signal("SIGCONT")
      }
      const calls = Array.from({ length: 20 }, async (_, n) => {
        await new Promise((resolve) => setTimeout(resolve, n * 20))
        await Promise.all(boxes.map((box) => box.run("echo ran >> ran")))
      })
      await Promise.all(calls)
      for (const box of boxes) {
        assert.strictEqual((await box.run("grep -c ran ran")).stdout, `${calls.length}\n`)
      }
    },
    120_000,
  )

  // The engine's own patience is two minutes: nothing here may wait for that.
  const onOwnEngine = (name: string, body: (daemon: Dockerd) => Promise<void>) =>
    own.test(name, body, 120_000)

  for (const [name, driver] of Object.entries(drivers)) {
    const open = ({ socketPath }: Dockerd, sessionId = freshSessionId()) =>
      createSandboxes({
        driver: driver({ host: `unix://${socketPath}` }),
        sessionId,
        image,
        network: "none",
        limits: { memory: "64MiB", pids: 64 },
      })

    onOwnEngine(`does not delay an aborted call, over ${name}`, async (daemon) => {
      await using sandboxes = open(daemon)
      const [running, fed, used, other] = await Promise.all(
        ["running", "fed", "used", "other"].map((name) => sandboxes.create({ name })),
      )
      assert(running && fed && used && other)
      await Promise.all([running, used].map((sandbox) => sandbox.exec("true")))
      const controller = new AbortController()
      const { signal } = controller
      const calls: Array<Promise<unknown>> = [
        running.exec("echo begun > begun; sleep 100", { signal }),
        fed.exec("cat > begun; sleep 100", { signal, stdin: "x".repeat(100_000) }),
      ]
      for (const sandbox of [running, fed]) {
        while (!(await sandbox.files.exists("begun"))) await new Promise(setImmediate)
      }
      await hang(daemon)
      try {
        calls.push(
          used.exec("true", { signal }),
          used.files.write("a", "b", { signal }),
          sandboxes.create({ name: "new", signal }),
          sandboxes.list({ signal }),
          other.stop({ signal }),
          other.remove({ signal }),
        )
        await new Promise((resolve) => setTimeout(resolve, 500))
        controller.abort(new Error("enough"))
        const reasons = await Promise.allSettled(calls)
        assert.deepStrictEqual(
          reasons.map((result) => (result.status === "rejected" ? String(result.reason) : "ok")),
          calls.map(() => "Error: enough"),
        )
      } finally {
        daemon.signal("SIGCONT")
      }
      // What was given up has been ended, or is being ended.
      const leftIn = async (sandbox: typeof running) =>
        (await sandbox.exec("grep -al '[s]leep.100' /proc/[0-9]*/cmdline 2>/dev/null")).stdout
      for (const sandbox of [running, fed]) {
        while ((await leftIn(sandbox)) !== "") {
          await new Promise((resolve) => setTimeout(resolve, 200))
        }
      }
    })

    onOwnEngine(`does not delay close(), over ${name}`, async (daemon) => {
      const sandboxes = open(daemon)
      const [used, running] = await Promise.all([sandboxes.create(), sandboxes.create()])
      await used.exec("true")
      const session = sandboxes.session("another")
      await session.create()
      const call = running.exec("echo begun > begun; sleep 100").catch(({ _tag }) => _tag)
      while (!(await running.files.exists("begun"))) await new Promise(setImmediate)
      await hang(daemon)
      try {
        await session.close()
        await sandboxes.close()
        assert.strictEqual(await call, "Closed")
      } finally {
        daemon.signal("SIGCONT")
      }
    })

    onOwnEngine(`does not delay a command beyond its timeout, over ${name}`, async (daemon) => {
      const sessionId = freshSessionId()
      await using sandboxes = open(daemon, sessionId)
      await using second = open(daemon, sessionId)
      const [running, unused, other] = await Promise.all([
        sandboxes.create(),
        sandboxes.create(),
        sandboxes.create({ name: "other" }),
      ])
      // Of another program, which has no lease of it and no connection to it.
      const gotten = await second.get("other")
      await running.run("sleep 1000 > /dev/null 2>&1 &")
      const call = running.exec("echo begun > begun; sleep 100", { timeout: "3 seconds" })
      while (!(await running.files.exists("begun"))) await new Promise(setImmediate)
      await hang(daemon)
      try {
        const soon = { timeout: "1 second" } as const
        const calls = [
          call,
          unused.exec("true", soon),
          gotten.exec("true", soon),
          gotten.exec("true", { ...soon, cwd: "~" }),
        ]
        const results = await Promise.allSettled(calls)
        assert.deepStrictEqual(
          results.map((result) => (result.status === "rejected" ? result.reason._tag : "ok")),
          calls.map(() => "EngineUnreachable"),
        )
      } finally {
        daemon.signal("SIGCONT")
      }
      for (const sandbox of [unused, other, gotten]) {
        assert.strictEqual((await sandbox.run("echo on")).stdout, "on\n")
      }
      // None was started anew for a call that it had not been told to end.
      await running.run("grep -aq '[s]leep.1000' /proc/[0-9]*/cmdline")
    })

    onOwnEngine(`fails each call without a timeout in time, over ${name}`, async (daemon) => {
      const sessionId = freshSessionId()
      await using sandboxes = open(daemon, sessionId)
      await using second = open(daemon, sessionId)
      const names = ["used", "one", "two", "three"] as const
      const [used] = await Promise.all(names.map((name) => sandboxes.create({ name })))
      assert.isDefined(used)
      await used.exec("true")
      // Of another program, which has no lease of them and no connection to them.
      const [gotten, stopped, removed] = await Promise.all(
        names.slice(1).map((name) => second.get(name)),
      )
      assert(gotten && stopped && removed)
      await hang(daemon)
      try {
        // One use of each that is not connected to: later ones wait for the first.
        const calls: Array<Promise<unknown>> = [
          used.files.read("x"),
          used.files.list(),
          used.stats(),
          used.inspect(),
          used.ports.wait(80, { timeout: "1 second" }),
          used.snapshot("t"),
          gotten.files.read("x"),
          gotten.stats(),
          gotten.inspect(),
          stopped.stop(),
          removed.remove(),
        ]
        calls.push(second.get("one"), second.list(), second.create(), second.snapshots.list())
        const results = await Promise.allSettled(calls)
        assert.deepStrictEqual(
          results.flatMap((result, n) => (result.status === "fulfilled" ? [`${n} succeeded`] : [])),
          [],
        )
      } finally {
        daemon.signal("SIGCONT")
      }
    })
  }
})

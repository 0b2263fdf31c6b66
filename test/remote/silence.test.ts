import { createSandboxes, type PromiseSandbox } from "@cordon/core"
import { dockerRemote } from "@cordon/driver-docker-remote"
import { assert, describe, it } from "@effect/vitest"
import { afterAll } from "vitest"
import { noEngineContainers, startEngine } from "../support/engineContainer.ts"
import { type FaultProxy, startFaultProxy } from "../support/faultProxy.ts"
import { skipped } from "../support/skipped.ts"

const engine = noEngineContainers === undefined ? await startEngine({ tls: true }) : undefined
afterAll(() => engine?.stop())

const seconds = (count: number) => new Promise((resolve) => setTimeout(resolve, count * 1000))

interface Failure {
  readonly _tag: string
  readonly delivered?: string
  readonly message: string
}

/** How a call failed, if it did; it has its own time and 10 seconds for that. */
const failureOf = async (
  limit: number,
  what: string,
  call: Promise<unknown>,
): Promise<Failure | undefined> => {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => reject(new Error(`${what} goes on after ${limit} s and 10`)),
    (limit + 10) * 1000,
  )
  const failed = call.then(
    () => undefined,
    (error: Failure) => error,
  )
  try {
    return await Promise.race([failed, promise])
  } finally {
    clearTimeout(timer)
  }
}

interface Stage {
  readonly proxy: FaultProxy
  readonly sandboxes: ReturnType<typeof createSandboxes>
  readonly box: PromiseSandbox
  /** The same sandbox, by connections that are well. */
  readonly runs: () => Promise<number>
}

/** A sandbox whose engine is reached over mutual TLS, through a proxy of its own. */
const withStage = async (name: string, body: (stage: Stage) => Promise<void>): Promise<void> => {
  if (engine === undefined) throw new Error("There is no engine")
  await using stack = new AsyncDisposableStack()
  const proxy = await startFaultProxy({ host: engine.address, port: 2376 })
  stack.defer(() => proxy.close())
  const driver = (port: number, host = "127.0.0.1") =>
    dockerRemote({
      host: `tcp://${host}:${port}`,
      tls: { ...engine.tls, serverName: "localhost" },
    })
  const options = {
    sessionId: `silence-${name}-${process.pid}`,
    image: process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04",
    network: "none",
    limits: { memory: "64MiB", pids: 64 },
  } as const
  const well = stack.use(createSandboxes({ ...options, driver: driver(2376, engine.address) }))
  const sandboxes = createSandboxes({ ...options, driver: driver(proxy.port) })
  const box = await sandboxes.create({ name: "box" })
  const other = await well.get("box")
  const count = "cat ran 2>/dev/null | wc -l"
  await body({ proxy, sandboxes, box, runs: async () => Number((await other.run(count)).stdout) })
  proxy.allowance = Number.POSITIVE_INFINITY
  proxy.freeze()
  await sandboxes.close()
}

const test = (name: string, key: string, body: (stage: Stage) => Promise<void>) =>
  noEngineContainers === undefined
    ? it(name, () => withStage(key, body), 200_000)
    : skipped(name, noEngineContainers)

const ran = "echo ran >> ran"

describe.concurrent("connections over TLS that fall silent", () => {
  test("while idle are replaced by a new connection", "idle", async ({ proxy, box, runs }) => {
    await box.run(ran)
    proxy.freeze()
    await seconds(7)
    await box.run(ran, { timeout: "5 seconds" })
    assert.strictEqual(await runs(), 2)
    await box.files.write("file", "content")
    assert.strictEqual(await box.files.readText("file"), "content")
  })

  test(
    "just before a command fail it in time, and it does not run twice",
    "before",
    async (stage) => {
      const { proxy, box, runs } = stage
      await box.run(ran)
      proxy.freeze()
      const call = box.exec(ran, { timeout: "3 seconds" })
      assert.deepInclude(await failureOf(13, "a command", call), {
        _tag: "EngineUnreachable",
        delivered: "perhaps",
      })
      assert.strictEqual(await runs(), 1)
      await box.run(ran)
      assert.strictEqual(await runs(), 2)
    },
  )

  test(
    "while a command runs fail it, and say that it had begun",
    "within",
    async ({ proxy, box, runs }) => {
      const begun = async () => {
        while ((await runs()) === 0) await seconds(0.1)
      }
      const limited = box.exec(`${ran}; sleep 300`, { timeout: "10 seconds" })
      await begun()
      // The news of it takes the way through the proxy.
      await seconds(1)
      proxy.freeze()
      const calls = [
        failureOf(20, "a command with a timeout", limited),
        failureOf(45, "an input", box.exec("cat > all", { stdin: Buffer.alloc(8_000_000) })),
      ]
      const [failure] = await Promise.all(calls)
      assert.deepInclude(failure, { _tag: "EngineUnreachable", delivered: "yes" })
      assert.strictEqual(await runs(), 1)
    },
  )

  // In the middle of a handshake, of an answer, and before any of it.
  for (const allowance of [0, 700, 2600]) {
    test(`after ${allowance} bytes fail every call in time`, `cut-${allowance}`, async (stage) => {
      const { proxy, sandboxes, box, runs } = stage
      const [stopped, removed] = await Promise.all(
        ["stopped", "removed"].map((name) => sandboxes.create({ name })),
      )
      assert(stopped !== undefined && removed !== undefined)
      await box.run(ran)
      proxy.allowance = allowance
      proxy.freeze()
      const commands = [
        failureOf(11, "a command", box.exec(ran, { timeout: "1 second" })),
        failureOf(40, "a command without a timeout", box.exec(ran)),
      ]
      const others = [
        // Each asks the engine, and then over a connection to the sandbox.
        failureOf(65, "reading", box.files.readText("ran")),
        failureOf(65, "writing", box.files.write("file", "x")),
        failureOf(65, "looking", box.inspect()),
        failureOf(65, "listing", sandboxes.list()),
        failureOf(65, "creating", sandboxes.create({ name: "new" })),
        failureOf(65, "stopping", stopped.stop()),
        failureOf(65, "removing", removed.remove()),
      ]
      for (const failure of await Promise.all([...commands, ...others])) {
        if (failure === undefined) continue
        assert.include(["EngineUnreachable", "EngineError"], failure._tag, failure.message)
      }
      // All know by now, and begin nothing that may have been begun.
      commands.push(failureOf(11, "a later command", box.exec(ran, { timeout: "1 second" })))
      const failures = await Promise.all(commands)
      if (allowance === 0) assert.strictEqual(failures.at(-1)?.delivered, "never")
      const known = failures.filter((failure) => failure === undefined).length
      const perhaps = failures.filter((failure) => failure?.delivered === "perhaps").length
      const times = (await runs()) - 1
      assert.isAtLeast(times, known)
      assert.isAtMost(times, known + perhaps)
    })
  }
})

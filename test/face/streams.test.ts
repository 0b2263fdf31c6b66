import { createSandboxes, type PromiseSandbox } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { memory } from "@cordon/driver-memory"
import { assert, describe, it } from "vitest"
import { lacks } from "../contract/memory.ts"
import { image } from "../docker/support.ts"
import { noEngine } from "../support/docker.ts"
import { skipped } from "../support/skipped.ts"

const opened = async (name: string, use: (sandbox: PromiseSandbox) => Promise<void>) => {
  const driver = name === "memory" ? memory() : docker()
  await using sandboxes = createSandboxes({ driver, image, network: "none" })
  await using sandbox = await sandboxes.create()
  await use(sandbox)
}

/** Reads until the signal ends it; the signal is given once the first piece has come. */
const aborted = async (
  stream: (options: { readonly signal: AbortSignal }) => AsyncIterable<unknown>,
  abort: (controller: AbortController) => void,
) => {
  const controller = new AbortController()
  try {
    for await (const _ of stream(controller)) abort(controller)
    return "ended"
  } catch (error) {
    return error
  }
}

const atOnce = (controller: AbortController) => controller.abort("enough")
const whileWaiting = (controller: AbortController) => {
  setImmediate(() => controller.abort("enough"))
}

const suite = (name: string) => {
  const inPieces = (title: string, test: () => Promise<void>) =>
    name === "memory" ? skipped(title, lacks.floods) : it(title, test)
  it(`${name}: aborting a signal ends a silent execStream with the signal's reason`, () =>
    opened(name, async (sandbox) => {
      const controller = new AbortController()
      const end = aborted(() => sandbox.execStream("sleep 600", controller), atOnce)
      setTimeout(() => controller.abort("enough"), 100)
      assert.strictEqual(await end, "enough")
    }))

  inPieces(
    `${name}: aborting a signal ends execStream with the signal's reason, and kills the command`,
    () =>
      opened(name, async (sandbox) => {
        const command = "echo begun; while true; do echo more >> seen.txt; sleep 0.1; done"
        for (const abort of [atOnce, whileWaiting]) {
          const end = await aborted((options) => sandbox.execStream(command, options), abort)
          assert.strictEqual(end, "enough")
          const before = await sandbox.run("wc -l < seen.txt || true")
          await sandbox.run("sleep 0.5")
          assert.strictEqual((await sandbox.run("wc -l < seen.txt || true")).stdout, before.stdout)
        }
      }),
  )

  it(`${name}: a signal that was aborted before the call ends each stream with its reason`, () =>
    opened(name, async (sandbox) => {
      await sandbox.files.write("a", "text")
      const options = { signal: AbortSignal.abort("before") }
      for (const stream of [
        sandbox.execStream("echo x", options),
        sandbox.files.stream("a", options),
        sandbox.files.watch(".", options),
      ]) {
        const end = await aborted(() => stream, atOnce)
        assert.strictEqual(end, "before")
      }
    }))

  inPieces(`${name}: leaving a stream that waits for output returns at once`, () =>
    opened(name, async (sandbox) => {
      const pieces = sandbox.execStream("echo one; sleep 600")[Symbol.asyncIterator]()
      await pieces.next()
      const waiting = pieces.next()
      await pieces.return?.()
      assert.deepStrictEqual(await waiting, { done: true, value: undefined })
    }),
  )

  it(`${name}: callbacks receive the same text as the result, even with an incomplete last character`, () =>
    opened(name, async (sandbox) => {
      // A byte order mark, a character in two pieces, and the beginning of one at the end.
      await sandbox.files.write("out", new Uint8Array([0xef, 0xbb, 0xbf, 0x78, 0xe2, 0x98]))
      let told = ""
      const onStdout = (text: string) => {
        told += text
      }
      const { stdout } = await sandbox.exec("cat out", { onStdout })
      assert.strictEqual(told, stdout)
      assert.strictEqual(told, "\ufeffx\ufffd")
      told = ""
      const failing = sandbox.run("cat out; exit 3", { onStdout })
      assert.include(await failing.catch((error: unknown) => error), { exitCode: 3 })
      assert.strictEqual(told, "\ufeffx\ufffd")
    }))

  it(`${name}: a call rejects with the error that its callback threw`, () =>
    opened(name, async (sandbox) => {
      const mistake = new Error("a mistake of the program")
      const onStdout = () => {
        throw mistake
      }
      const end = await sandbox.exec("echo x; sleep 3", { onStdout }).catch((error) => error)
      assert.strictEqual(end, mistake)
    }))
}

describe("streams and callbacks", () => {
  suite("memory")
  if (noEngine !== undefined) return skipped("docker", noEngine)
  suite("docker")

  it("docker: aborting a signal ends a terminal's output, a watch and a process's output", () =>
    opened("docker", async (sandbox) => {
      const process = await sandbox.processes.start("echo begun; sleep 600")
      const follow = await aborted((options) => process.follow(options), whileWaiting)
      assert.strictEqual(follow, "enough")
      assert.strictEqual((await process.inspect()).status, "running")
      const watch = await aborted((options) => sandbox.files.watch(".", options), whileWaiting)
      assert.strictEqual(watch, "enough")
      const controller = new AbortController()
      const terminal = await sandbox.terminal({ signal: controller.signal })
      const shown = await aborted(
        () => terminal.output,
        () => setImmediate(() => controller.abort("enough")),
      )
      assert.strictEqual(shown, "enough")
    }))
})

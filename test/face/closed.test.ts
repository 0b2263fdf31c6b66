import { type Closed, createSandboxes, type PromiseSandbox } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { memory } from "@cordon/driver-memory"
import { createMcpServer } from "@cordon/mcp"
import { createTools } from "@cordon/tools"
import { assert, describe, it } from "vitest"
import { image } from "../docker/support.ts"
import { noEngine } from "../support/docker.ts"
import { skipped } from "../support/skipped.ts"

/** What a call rejects with: always an error with a tag, never a string or something untold. */
const tagOf = async (call: () => PromiseLike<unknown>): Promise<string> => {
  try {
    await call()
    return "resolved"
  } catch (error) {
    assert.instanceOf(error, Error)
    return (error as Closed)._tag
  }
}

const drain = async (iterable: AsyncIterable<unknown>) => {
  for await (const _ of iterable);
}

const calls: Record<string, (sandbox: PromiseSandbox) => PromiseLike<unknown>> = {
  run: (sandbox) => sandbox.run("true"),
  inspect: (sandbox) => sandbox.inspect(),
  execStream: (sandbox) => drain(sandbox.execStream("true")),
  read: (sandbox) => sandbox.files.read("a"),
  write: (sandbox) => sandbox.files.write("a", "b"),
  stream: (sandbox) => drain(sandbox.files.stream("a")),
  watch: (sandbox) => drain(sandbox.files.watch()),
  clone: (sandbox) => sandbox.git.clone("https://localhost/a.git"),
  processes: (sandbox) => sandbox.processes.start("sleep 1"),
  ports: (sandbox) => sandbox.ports.expose(80),
  terminal: (sandbox) => sandbox.terminal(),
  stats: (sandbox) => sandbox.stats(),
  watchStats: (sandbox) => drain(sandbox.watchStats()),
  snapshot: (sandbox) => sandbox.snapshot(),
  remove: (sandbox) => sandbox.remove(),
}

const suite = (name: string, open: () => ReturnType<typeof createSandboxes>, hang: string) => {
  it(`${name}: a call after close() rejects with Closed`, async () => {
    const sandboxes = open()
    const sandbox = await sandboxes.create()
    await sandboxes.close()
    for (const [call, make] of Object.entries(calls)) {
      assert.strictEqual(await tagOf(() => make(sandbox)), "Closed", call)
    }
    assert.strictEqual(await tagOf(() => sandboxes.create()), "Closed")
    assert.strictEqual(await tagOf(() => sandboxes.list()), "Closed")
    assert.strictEqual(await tagOf(() => sandboxes.snapshots.list()), "Closed")
    assert.strictEqual(await tagOf(() => sandboxes.capabilities()), "Closed")
    // Again, and whatever comes last in a block that closed them itself.
    await sandboxes.close()
    await sandbox[Symbol.asyncDispose]()
  })

  it(`${name}: close() ends running commands and streams with Closed`, async () => {
    const sandboxes = open()
    const sandbox = await sandboxes.create()
    const command = tagOf(() => sandbox.run(hang))
    const stream = tagOf(() => drain(sandbox.execStream(hang)))
    await sandbox.run("true")
    await sandboxes.close()
    assert.deepStrictEqual(await Promise.all([command, stream]), ["Closed", "Closed"])
  })
}

describe("closing", () => {
  suite("memory", () => createSandboxes({ driver: memory() }), "sleep 30")
  if (noEngine === undefined) {
    suite("docker", () => createSandboxes({ driver: docker(), image, network: "none" }), "sleep 30")
  } else skipped("docker", noEngine)

  it("a closed MCP server refuses to serve with Closed", async () => {
    const server = createMcpServer({ driver: memory() })
    await server.close()
    assert.strictEqual(await tagOf(() => server.http()), "Closed")
    assert.strictEqual(await tagOf(() => server.stdio()), "Closed")
  })

  it("closed tools return Closed in their result", async () => {
    const toolset = createTools({ driver: memory() })
    await toolset.close()
    const result = await toolset.byName.sandbox_list.execute({})
    assert.isFalse(result.ok)
    if (!result.ok) assert.strictEqual(result.error.tag, "Closed")
  })

  it("an open terminal and an exposed port close without an error after their sandboxes were closed", async (ctx) => {
    if (noEngine !== undefined) return ctx.skip(noEngine)
    const sandboxes = createSandboxes({ driver: docker(), image, network: "none" })
    const sandbox = await sandboxes.create()
    const terminal = await sandbox.terminal()
    const port = await sandbox.ports.expose(8080)
    const output = tagOf(() => drain(terminal.output))
    await sandboxes.close()
    assert.strictEqual(await output, "Closed")
    await terminal.close()
    await port.close()
    assert.strictEqual(await tagOf(() => terminal.write("ls\n")), "Closed")
  })
})

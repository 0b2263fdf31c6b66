import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { createSandboxes } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { assert, describe, it } from "@effect/vitest"
import { engine, image, ownedBy } from "../docker/support.ts"
import type { Where } from "../frameworks/suite.ts"
import { noEngine, socketPath } from "../support/docker.ts"
import { freshSessionId } from "../support/sandbox.ts"
import { skipped } from "../support/skipped.ts"
import { needs } from "../support/skips.ts"
import { type Connection, connectModernStdio, connectStdio, serverProcess } from "./clients.ts"

const withFolder = async (body: (folder: string) => Promise<void>) => {
  const folder = await mkdtemp(join(tmpdir(), "cordon-mcp-"))
  try {
    await body(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

const connected = (
  where: Omit<Where, "folder">,
  body: (connection: Connection) => Promise<void>,
  connect = connectStdio,
) =>
  withFolder(async (folder) => {
    const connection = await connect({ ...where, folder })
    try {
      await body(connection)
    } finally {
      await connection.close()
    }
  })

/** Resolves with the first progress message that matches. */
const heard = (pattern: RegExp) => {
  const messages: Array<string> = []
  const { promise, resolve } = Promise.withResolvers<string>()
  const onprogress = ({ message = "" }: { readonly message?: string | undefined }) => {
    messages.push(message)
    if (pattern.test(message)) resolve(message)
  }
  return { onprogress, promise, messages }
}

describe.each([
  ["with MCP sessions", connectStdio],
  ["of revision 2026-07-28", connectModernStdio],
])("progress notifications over a protocol %s", (_, connect) => {
  // The in-memory interpreter gives its output in the end.
  if (noEngine !== undefined) skipped("carry the output of a running command", noEngine)
  else {
    it("carry the output of a running command", () =>
      connected(
        { driver: "docker" },
        async ({ call }) => {
          await call("sandbox_create", { name: "box" })
          const compiling = heard(/^compiling$/)
          const script = "echo compiling; until [ -e go ]; do sleep 0.1; done; echo compiled"
          const ended = call("sandbox_exec", { sandbox: "box", command: script }, compiling)
          // The command goes on only when its output has come through.
          await compiling.promise
          await call("sandbox_write_file", { sandbox: "box", path: "go", content: "" })
          assert.strictEqual((await ended).text, "compiling\ncompiled")
        },
        connect,
      ))
  }

  it("come from a silent command too", () =>
    connected(
      { driver: "memory" },
      async ({ call }) => {
        await call("sandbox_create", { name: "box" })
        const alive = heard(/^Running for \d+ s$/)
        const controller = new AbortController()
        const ended = call(
          "sandbox_exec",
          { sandbox: "box", command: "sleep 600" },
          { ...alive, signal: controller.signal },
        ).catch(() => "cancelled")
        await alive.promise
        controller.abort()
        assert.strictEqual(await ended, "cancelled")
      },
      connect,
    ))
})

describe("progress notifications of a pull", () => {
  const registry = process.env["CORDON_TEST_REGISTRY"]
  if (registry === undefined) {
    return skipped(
      "report the layers",
      noEngine ?? needs("a registry", "CORDON_TEST_REGISTRY is not set, as CI does"),
    )
  }
  it("report the layers", () =>
    connected({ driver: "docker" }, async ({ call }) => {
      const image = `${registry}/cordon/debian:12`
      await engine
        .getImage(image)
        .remove({ force: true })
        .catch(() => undefined)
      const pulling = heard(/./)
      const created = await call("sandbox_create", { name: "pulled", image }, pulling)
      assert.isTrue(created.ok, created.text)
      assert.isNotEmpty(pulling.messages)
      const pulls = pulling.messages.filter((message) => !message.startsWith("Running for"))
      assert.isNotEmpty(pulls)
      for (const message of pulls) assert.include(message, `Pulling ${image}: `)
    }))
})

describe("standard output of an MCP server", () => {
  it("contains only messages of the protocol, whatever goes wrong", () =>
    withFolder(async (folder) => {
      const { command, args, env } = serverProcess({ driver: "docker", folder })
      const child = spawn(command, args, {
        env: { ...env, CONTAINER_SANDBOX_DOCKER_HOST: "unix:///nonexistent.sock" },
      })
      const exited = once(child, "exit")
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
      const ask = async (message: object) => {
        child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`)
        return JSON.parse((await lines.next()).value ?? "null")
      }
      const opened = await ask({
        id: 1,
        method: "initialize",
        params: {
          protocolVersion: "2025-11-25",
          capabilities: {},
          clientInfo: { name: "raw", version: "1" },
        },
      })
      assert.strictEqual(opened.result.serverInfo.name, "cordon")
      assert.match(opened.result.instructions, /sandbox_create/)
      const failed = await ask({
        id: 2,
        method: "tools/call",
        params: { name: "sandbox_list", arguments: {} },
      })
      assert.isTrue(failed.result.isError)
      assert.match(
        failed.result.content[0].text,
        /^Error: The container engine does not answer\. .*tell the user .*log\.$/,
      )
      const unknown = await ask({ id: 3, method: "tools/call", params: { name: "rm" } })
      assert.strictEqual(unknown.error.code, -32602)
      assert.match(unknown.error.message, /There is no tool "rm"\. The tools are: sandbox_create, /)
      child.stdin.end()
      assert.deepStrictEqual(await exited, [0, null])
      assert.isTrue((await lines.next()).done)
    }))
})

describe("cordon mcp", () => {
  const bin = join(import.meta.dirname, "..", "..", "packages", "cli", "src", "bin.ts")
  const cordon = (...args: ReadonlyArray<string>) => {
    const child = spawn(process.execPath, ["--conditions=@cordon/source", bin, "mcp", ...args])
    return { child, exited: once(child, "exit") }
  }

  if (noEngine !== undefined) skipped("serves on stdio", noEngine)
  else {
    it("serves on stdio", async () => {
      // Another one's, of which the reaper tells.
      await using sandboxes = createSandboxes({
        driver: docker({ host: `unix://${socketPath}` }),
        image,
      })
      await sandboxes.create()
      const loud = cordon("--host", `unix://${socketPath}`, "--log-level", "info")
      for await (const line of createInterface({ input: loud.child.stderr })) {
        if (line.includes("Found a sandbox without a lease")) break
      }
      loud.child.stdin.end()
      await loud.exited
      const { child, exited } = cordon("--host", `unix://${socketPath}`)
      const log = child.stderr.toArray()
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
      const ask = async (message: object) => {
        child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`)
        return JSON.parse((await lines.next()).value ?? "null")
      }
      const clientInfo = { name: "raw", version: "1" }
      const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo }
      await ask({ id: 1, method: "initialize", params })
      const list = { name: "sandbox_list", arguments: {} }
      const { result } = await ask({ id: 2, method: "tools/call", params: list })
      assert.deepStrictEqual(result.structuredContent, { sandboxes: [] })
      child.stdin.end()
      assert.deepStrictEqual(await exited, [0, null])
      assert.strictEqual(Buffer.concat(await log).toString(), "")
    })
  }

  const silent = ["--host", "unix:///nonexistent.sock", "--http", "0", "--listen", "0.0.0.0"]
  const said = async (...args: ReadonlyArray<string>) => {
    const { child, exited } = cordon(...args)
    const stderr = Buffer.concat(await child.stderr.toArray()).toString()
    assert.deepStrictEqual(await exited, [1, null])
    return stderr
  }

  it("takes settings and allowances as flags, which override the environment", async () => {
    for (const [flag, value, told] of [
      ["--cpus", "none", "CONTAINER_SANDBOX_CPUS"],
      ["--network", "wide", "network"],
      ["--runtime", "fast", "runtime"],
      ["--allow-images", "https://x", "images"],
      ["--allow-registries", "a/b", "registries"],
      ["--allow-networks", "wide", "networks"],
      ["--allow-runtimes", "fast", "runtimes"],
      ["--allow-memory", "much", "memory"],
      ["--allow-pids", "many", "PIDS"],
    ] as const) {
      assert.include(await said(...silent, flag, value), told, flag)
    }
  })

  it("refuses to serve other machines without a token, with a one-line error", async () => {
    const host = ["--host", "unix:///nonexistent.sock"]
    const { child, exited } = cordon(...host, "--http", "0", "--listen", "0.0.0.0")
    const stderr = Buffer.concat(await child.stderr.toArray()).toString()
    assert.deepStrictEqual(await exited, [1, null])
    assert.match(
      stderr,
      /^cordon: .*0\.0\.0\.0 can be reached from other machines: give a token.*\n$/,
    )
  })
})

describe("an MCP server that can't start", () => {
  it("says why on standard error, and exits", () =>
    withFolder(async (folder) => {
      const { command, args, env } = serverProcess({ driver: "memory", folder })
      const child = spawn(command, args, { env: { ...env, CONTAINER_SANDBOX_CPUS: "none" } })
      const exited = once(child, "exit")
      const [stdout, stderr] = await Promise.all([child.stdout.toArray(), child.stderr.toArray()])
      assert.deepStrictEqual(await exited, [1, null])
      assert.strictEqual(Buffer.concat(stdout).toString(), "")
      assert.match(Buffer.concat(stderr).toString(), /CONTAINER_SANDBOX_CPUS/)
    }))
})

describe("a named MCP session", () => {
  const title = "is continued by the next process"
  if (noEngine !== undefined) return skipped(title, noEngine)
  it(title, () =>
    withFolder(async (folder) => {
      const where = { driver: "docker", folder } as const
      const named = ["--session", freshSessionId()]
      const first = await connectStdio(where, ...named)
      await first.call("sandbox_create", { name: "kept" })
      await first.close()
      const second = await connectStdio(where, ...named)
      const other = await connectStdio(where)
      try {
        assert.match((await other.call("sandbox_list", {})).text, /no such sandboxes/)
        assert.match((await second.call("sandbox_list", {})).text, /^kept: running/)
        await second.call("sandbox_manage", { sandbox: "kept", action: "remove" })
        assert.match((await second.call("sandbox_list", {})).text, /no such sandboxes/)
      } finally {
        await second.close()
        await other.close()
      }
    }),
  )
})

describe("the end of an MCP session", () => {
  const ends: ReadonlyArray<readonly [string, (child: ReturnType<typeof spawn>) => void]> = [
    ["the client closes standard input", (child) => child.stdin?.end()],
    ["the process is asked to end", (child) => void child.kill("SIGTERM")],
  ]
  for (const [title, end] of ends) {
    if (noEngine !== undefined) {
      skipped(`removes its sandboxes and ends the process when ${title}`, noEngine)
      continue
    }
    it(`removes its sandboxes and ends the process when ${title}`, () =>
      withFolder(async (folder) => {
        const { command, args, env } = serverProcess({ driver: "docker", folder })
        const child = spawn(command, args, { env, stdio: ["pipe", "pipe", "inherit"] })
        const exited = once(child, "exit")
        const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
        const send = (message: object) =>
          child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`)
        const calls = (id: number, name: string, input: object) =>
          send({ id, method: "tools/call", params: { name, arguments: input } })
        send({
          id: 1,
          method: "initialize",
          params: {
            protocolVersion: "2025-11-25",
            capabilities: {},
            clientInfo: { name: "raw", version: "1" },
          },
        })
        await lines.next()
        calls(2, "sandbox_create", { name: "left" })
        const created = JSON.parse((await lines.next()).value ?? "null")
        const { id } = created.result.structuredContent
        assert.deepStrictEqual(await ownedBy(id), { containers: 1, networks: 1 })
        // A command runs, and another sandbox is being made.
        calls(3, "sandbox_exec", { sandbox: "left", command: "sleep 600" })
        calls(4, "sandbox_create", { name: "half-made" })
        end(child)
        assert.deepStrictEqual(await exited, [0, null])
        assert.deepStrictEqual(await ownedBy(id), { containers: 0, networks: 0 })
      }))
  }
})

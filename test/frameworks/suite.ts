import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  type CordonError,
  type CreateSandboxesOptions,
  type SandboxDriver,
  sessionFilesDirectory,
} from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { memory } from "@cordon/driver-memory"
import { createTools, type PromiseToolset, type ToolName, type ToolResult } from "@cordon/tools"
import { assert, describe, it } from "@effect/vitest"
import type { Layer } from "effect"
import { brokenHosts } from "../support/brokenHosts.ts"
import { noEngine } from "../support/docker.ts"
import { codingSession, endless, fixed, type Script } from "./script.ts"

/** A framework's agent loop on a session's tools. */
export interface Agent {
  /** The loop, with a model that plays the script: what it says in the end. */
  readonly run: (script: Script, signal: AbortSignal) => Promise<string>
  /** A call beside the loop. */
  readonly call: (name: ToolName, input: unknown) => Promise<ToolResult>
  /** How many calls of the loop still run. */
  readonly running: () => number
  readonly close: () => Promise<void>
}

/** An agent of a framework that takes the tools as promises. */
export const agentOn =
  (run: (toolset: PromiseToolset, script: Script, signal: AbortSignal) => Promise<string>) =>
  (options: CreateSandboxesOptions): Agent => {
    const toolset = createTools(options)
    let running = 0
    const counted = (tool: PromiseToolset["tools"][number]) => ({
      ...tool,
      execute: async (...args: Parameters<typeof tool.execute>) => {
        running += 1
        try {
          return await tool.execute(...args)
        } finally {
          running -= 1
        }
      },
    })
    const { byName } = toolset
    const watched: PromiseToolset = {
      ...toolset,
      tools: toolset.tools.map(counted),
      byName: {
        sandbox_create: counted(byName.sandbox_create),
        sandbox_exec: counted(byName.sandbox_exec),
        sandbox_read_file: counted(byName.sandbox_read_file),
        sandbox_write_file: counted(byName.sandbox_write_file),
        sandbox_upload: counted(byName.sandbox_upload),
        sandbox_download: counted(byName.sandbox_download),
        sandbox_list: counted(byName.sandbox_list),
        sandbox_manage: counted(byName.sandbox_manage),
      },
    }
    return {
      run: (script, signal) => run(watched, script, signal),
      call: (name, input) => byName[name].execute(input),
      running: () => running,
      close: toolset.close,
    }
  }

/** The same for an agent in a process of its own. */
export interface Where {
  readonly driver: "memory" | "docker"
  /** The session's files. */
  readonly folder: string
}

const drivers: ReadonlyArray<{
  readonly name: Where["driver"]
  readonly driver: () => Layer.Layer<SandboxDriver, CordonError>
  readonly missing: string | undefined
}> = [
  { name: "memory", driver: memory, missing: undefined },
  { name: "docker", driver: docker, missing: noEngine },
]

const image = process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04"

/** A framework's loop, held to the same sessions as every other one, on each driver. */
export const frameworkSuite = (
  framework: string,
  open: (options: CreateSandboxesOptions, where: Where) => Agent | Promise<Agent>,
  {
    parallel = true,
    inProcess = true,
  }: {
    readonly parallel?: boolean
    /** Whether it runs on the options that it is given. */
    readonly inProcess?: boolean
  } = {},
) => {
  // A process of its own takes no such drivers: test/policy/hostDetails.test.ts holds MCP to the same.
  if (inProcess) {
    it(`${framework} tells a model nothing of the host`, async () => {
      for (const { driver, leaseStore, reads } of brokenHosts) {
        const where = { driver: "memory", folder: tmpdir() } as const
        const agent = await open({ driver, ...(leaseStore && { leaseStore }) }, where)
        try {
          const turns = [[{ name: "sandbox_create", input: {}, reads, fails: true } as const]]
          const script = { turns, text: "I told the user." }
          assert.strictEqual(await agent.run(script, new AbortController().signal), script.text)
        } finally {
          await agent.close()
        }
      }
    })
  }
  for (const { name, driver, missing } of drivers) {
    describe(`${framework} on ${name}`, () => {
      const test = (title: string, body: (agent: Agent, folder: string) => Promise<void>) =>
        it(title, async (ctx) => {
          if (missing !== undefined) return ctx.skip(missing)
          const folder = await mkdtemp(join(tmpdir(), "cordon-agent-"))
          const files = sessionFilesDirectory(folder)
          const agent = await open({ driver: driver(), image, files }, { driver: name, folder })
          try {
            await body(agent, folder)
          } finally {
            await agent.close()
            await rm(folder, { recursive: true })
          }
        })

      test("writes code, fixes what its test shows, and hands it over", async (agent, folder) => {
        const script = codingSession({ parallel })
        const said = await agent.run(script, new AbortController().signal)
        assert.strictEqual(said, script.text)
        assert.deepStrictEqual((await readdir(join(folder, "results"))).sort(), [
          "check.sh",
          "sum.sh",
        ])
        assert.strictEqual(await readFile(join(folder, "results", "sum.sh"), "utf8"), fixed)
      })

      test("kills the command when the loop is aborted", async (agent) => {
        const controller = new AbortController()
        // Some frameworks reject, others resolve with what was said so far: nothing.
        let ended: string | undefined
        const run = agent.run(endless, controller.signal).then(
          (said) => {
            ended = said
          },
          (error) => {
            ended = controller.signal.aborted ? "" : String(error)
          },
        )
        const started = { sandbox: "code", path: "started" }
        await until(
          async () => ended !== undefined || (await agent.call("sandbox_read_file", started)).ok,
        )
        assert.isUndefined(ended)
        controller.abort(new Error("the user left"))
        await run
        assert.strictEqual(ended, "")
        await until(async () => agent.running() === 0)
        if (name === "docker") await until(async () => (await processes(agent)) === "")
        const after = await agent.call("sandbox_exec", { sandbox: "code", command: "echo on" })
        assert.strictEqual(after.text, "on")
      })
    })
  }
}

/** Ends when it holds; where it never does, the test's own time limit ends it. */
const until = async (holds: () => Promise<boolean>) => {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 50))
}

/** The endless command's processes in the sandbox, one a line. */
const processes = async (agent: Agent) => {
  const command =
    "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep '^sleep 600'; done; true"
  const result = await agent.call("sandbox_exec", { sandbox: "code", command })
  return result.ok ? String(result.output["stdout"]) : assert.fail(result.text)
}

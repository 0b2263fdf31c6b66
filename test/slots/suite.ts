import { execFile } from "node:child_process"
import { randomUUID } from "node:crypto"
import { join } from "node:path"
import { promisify } from "node:util"
import {
  type CordonError,
  createSandboxes,
  type PromiseSandbox,
  type PromiseSandboxes,
  type SandboxDriver,
} from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { memory } from "@cordon/driver-memory"
import { assert, describe, it } from "@effect/vitest"
import type { Layer } from "effect"
import { noEngine, noGvisor } from "../support/docker.ts"
import { coding, endless, resumed, type Slot, serving } from "./slot.ts"

export const image = process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04"

interface World {
  readonly name: string
  readonly driver: () => Layer.Layer<SandboxDriver, CordonError>
  readonly runtime?: "gvisor"
  readonly missing: string | undefined
}

export const worlds: ReadonlyArray<World> = [
  { name: "memory", driver: memory, missing: undefined },
  { name: "runc", driver: docker, missing: noEngine },
  { name: "gVisor", driver: docker, runtime: "gvisor", missing: noGvisor },
]

/** Ends when it holds; where it never does, the test's own time limit ends it. */
export const until = async (holds: () => Promise<boolean>) => {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 50))
}

/** What a server answers once it is there. */
export const answerOf = async (url: string): Promise<string> => {
  let answer = ""
  await until(async () => {
    answer = await fetch(url).then(
      (response) => response.text(),
      () => "",
    )
    return answer !== ""
  })
  return answer
}

const never = new AbortController().signal

/** The endless command's processes, one a line. */
const processes = async (sandbox: PromiseSandbox) =>
  (
    await sandbox.run(
      "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep '^sleep 600'; done; true",
    )
  ).stdout

/** Runs a program of this folder in a process of its own; what it prints. */
export const inAnotherProcess = async (program: string, ...args: ReadonlyArray<string>) => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    "--conditions=@cordon/source",
    join(import.meta.dirname, program),
    ...args,
  ])
  return stdout
}

/** A test on a real engine, with sandboxes of its own. */
export const engineTest = (
  title: string,
  body: (sandboxes: PromiseSandboxes) => Promise<void>,
  missing = noEngine,
) =>
  it(title, async (ctx) => {
    if (missing !== undefined) return ctx.skip(missing)
    await using sandboxes = createSandboxes({ driver: docker(), image, sessionId: randomUUID() })
    await body(sandboxes)
  })

/** A framework's loop in a sandbox, held to the same scripts as every other one. */
export const slotSuite = (slot: Slot) => {
  for (const { name, driver, runtime, missing } of worlds) {
    describe(`${slot.name} on ${name}`, () => {
      const test = (
        title: string,
        body: (sandbox: PromiseSandbox, sandboxes: PromiseSandboxes) => Promise<void>,
        lack?: string,
      ) =>
        it(title, async (ctx) => {
          const why = missing ?? (name === "memory" ? slot.notInMemory : undefined) ?? lack
          if (why !== undefined) return ctx.skip(why)
          const sessionId = randomUUID()
          const settings = { image, sessionId, ...(runtime && { runtime }) }
          await using sandboxes = createSandboxes({ driver: driver(), ...settings })
          await body(await sandboxes.create({ name: "code", workdir: "/workspace" }), sandboxes)
        })
      const inMemory = (why: string) => (name === "memory" ? why : undefined)

      test("writes code and fixes what its test shows, here and in another process", async (sandbox, sandboxes) => {
        const script = coding(slot)
        assert.strictEqual(await slot.run(sandbox, script, never, sandboxes), script.text)
        if (name === "memory") return
        const said = await inAnotherProcess("resume.ts", slot.name, sandboxes.sessionId)
        assert.strictEqual(said.trim(), resumed(slot).text)
      })

      test(
        "starts a server that is reachable through its port",
        async (sandbox, sandboxes) => {
          const script = serving(slot)
          assert.strictEqual(await slot.run(sandbox, script, never, sandboxes), script.text)
          await sandbox.ports.wait(8000)
          await using port = await sandbox.ports.expose(8000)
          const answer = await fetch(`${port.url}/index.html`)
          assert.strictEqual(await answer.text(), "from inside")
        },
        inMemory("the memory driver has no ports"),
      )

      test("kills the command when the loop is aborted", async (sandbox, sandboxes) => {
        const controller = new AbortController()
        const run = slot.run(sandbox, endless(slot), controller.signal, sandboxes).then(
          (said) => said,
          () => "",
        )
        await until(() => sandbox.files.exists("started"))
        controller.abort(new Error("the user left"))
        assert.notStrictEqual(await run, endless(slot).text)
        if (name !== "memory") await until(async () => (await processes(sandbox)) === "")
        assert.strictEqual((await sandbox.run("echo on")).stdout, "on\n")
      })
    })
  }
}

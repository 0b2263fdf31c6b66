import { createSandboxes } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { assert, describe, it } from "vitest"
import { image } from "../docker/support.ts"
import { noEngine, socketPath } from "../support/docker.ts"
import { freshSessionId } from "../support/sandbox.ts"
import { skipped } from "../support/skipped.ts"
import { forward } from "./forward.ts"
import { runProgram } from "./program.ts"

const suite = (
  name: string,
  driver: () => Promise<AsyncDisposable & { readonly name: string }>,
) => {
  const real = name !== "memory"

  it(`${name}: exits by itself when it never called close()`, async () => {
    await using there = await driver()
    const sessionId = freshSessionId()
    const ended = await runProgram("forgetsToClose", there.name, sessionId, image)
    assert.deepStrictEqual(ended, { code: 0, stdout: "first\nend of program\n", stderr: "" })
    if (real) await removeAll(sessionId)
  })

  it(`${name}: exits after the running tool calls when it never closed the tools`, async () => {
    await using there = await driver()
    const sessionId = freshSessionId()
    const ended = await runProgram("callsTools", there.name, sessionId, image)
    assert.deepStrictEqual(ended, { code: 0, stdout: "done\n", stderr: "" })
    if (real) await removeAll(sessionId)
  })

  it(`${name}: does not exit while it waits for a call`, async () => {
    await using there = await driver()
    const { code, stdout, stderr } = await runProgram("waits", there.name, freshSessionId(), image)
    const more = real ? "terminal 0\nprocess 3\n" : ""
    assert.strictEqual(stdout, `run\nStdout\nExit\n${more}end of program\n`, stderr)
    assert.strictEqual(code, 0)
  })
}

const removeAll = async (sessionId: string) => {
  await using sandboxes = createSandboxes({ driver: docker(), sessionId })
  for (const { id } of await sandboxes.list()) await (await sandboxes.get(id)).remove()
}

const named = (name: string) => async () => ({ name, [Symbol.asyncDispose]: async () => {} })

describe("a program that uses sandboxes", () => {
  suite("memory", named("memory"))
  if (noEngine !== undefined) return skipped("docker", noEngine)
  suite("docker", named("docker"))
  suite("docker over TCP", () => forward(socketPath))

  it("that never called close() leaves a sandbox that its lease removes", async () => {
    const sessionId = freshSessionId()
    const { code, stderr } = await runProgram("forgetsToClose", "docker", sessionId, image, "1500")
    assert.strictEqual(code, 0, stderr)
    // Another program on the same engine; a short idleTimeout has it look often.
    await using others = createSandboxes({ driver: docker(), idleTimeout: 1000, sessionId })
    while ((await others.list()).length > 0) await new Promise((done) => setTimeout(done, 100))
  })
})

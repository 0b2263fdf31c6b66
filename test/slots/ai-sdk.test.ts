import { createSandboxes } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { aiSdkSandbox } from "@cordon/slots/ai-sdk"
import { assert, describe, it } from "@effect/vitest"
import { noEngine } from "../support/docker.ts"
import { slot } from "./ai-sdk.ts"
import { image, slotSuite } from "./suite.ts"

slotSuite(slot)

describe("ai-sdk, a command that is spawned", () => {
  it("waits for its reader, and is killed while it waits", async (ctx) => {
    if (noEngine !== undefined) return ctx.skip(noEngine)
    await using sandboxes = createSandboxes({ driver: docker(), image })
    const sandbox = await sandboxes.create()
    const process = await aiSdkSandbox(sandbox).spawn({ command: "exec yes" })
    const reader = process.stdout.getReader()
    await reader.read()
    // It writes what nobody reads in far less time than these take.
    for (let turn = 0; turn < 10; turn++) await sandbox.run("true")
    await process.kill()
    assert.notStrictEqual((await process.wait()).exitCode, 0)
    let bytes = 0
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      bytes += piece.value.length
    }
    assert.isBelow(bytes, 8 * 1024 ** 2)
  })
})

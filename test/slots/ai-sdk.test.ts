import { createSandboxes } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { aiSdkSandbox } from "@cordon/slots/ai-sdk"
import { assert, describe, it } from "@effect/vitest"
import { noEngine } from "../support/docker.ts"
import { slot } from "./ai-sdk.ts"
import { image, slotSuite } from "./suite.ts"

slotSuite(slot)

describe("ai-sdk, a spawned command", () => {
  it("waits for its reader, and is killed while it waits", async (ctx) => {
    if (noEngine !== undefined) return ctx.skip(noEngine)
    await using sandboxes = createSandboxes({ driver: docker(), image })
    const sandbox = await sandboxes.create()
    const command = "head -c 67108864 /dev/zero; echo yes > written; sleep 600"
    const process = await aiSdkSandbox(sandbox).spawn({ command })
    const reader = process.stdout.getReader()
    await reader.read()
    // All would be written in far less time than this takes.
    await sandbox.run("sleep 1")
    assert.isFalse(await sandbox.files.exists("written"))
    await process.kill()
    assert.notStrictEqual((await process.wait()).exitCode, 0)
    let bytes = 0
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      bytes += piece.value.length
    }
    assert.isBelow(bytes, 8 * 1024 ** 2)
  })
})

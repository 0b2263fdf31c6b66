import { hostname, release } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { capacityOfHost, defaultPids } from "../src/engine/capacity.ts"

const GiB = 1024 ** 3
const elsewhere = { NCPU: 4, MemTotal: 16 * GiB, Name: "elsewhere", KernelVersion: "1.2.3" }

describe("what a host has", () => {
  it("are as many processes as Linux allows by default", () => {
    assert.strictEqual(defaultPids({ cpus: 4, memory: 64 * GiB }), 32_768)
    assert.strictEqual(defaultPids({ cpus: 64, memory: 256 * GiB }), 65_536)
    // Each thread needs memory of the kernel's.
    assert.strictEqual(defaultPids({ cpus: 1, memory: GiB }), 8192)
  })

  it.effect("is what the engine tells and what Linux does, where we can't look", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* capacityOfHost({ ...elsewhere, DockerRootDir: "/" }), {
        cpus: 4,
        memory: 16 * GiB,
        pids: 32_768,
      })
    }),
  )

  it.live("is looked up on this machine", () =>
    Effect.gen(function* () {
      const here = { ...elsewhere, Name: hostname(), KernelVersion: release() }
      const capacity = yield* capacityOfHost({ ...here, DockerRootDir: "/" })
      if (process.platform !== "linux") return
      assert.isAbove(capacity.pids ?? 0, 0)
      assert.isAbove(capacity.disk ?? 0, 0)
      const unknown = yield* capacityOfHost({ ...here, DockerRootDir: "/no/such/folder" })
      assert.isUndefined(unknown.disk)
    }),
  )
})

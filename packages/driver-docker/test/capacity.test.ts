import { hostname, release } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { capacityOfHost, defaultPids } from "../src/engine/capacity.ts"

const GiB = 1024 ** 3
const elsewhere = { NCPU: 4, MemTotal: 16 * GiB, Name: "elsewhere", KernelVersion: "1.2.3" }

describe("the capacity of a host", () => {
  it("has as many processes as Linux allows by default", () => {
    assert.strictEqual(defaultPids({ cpus: 4, memory: 64 * GiB }), 32_768)
    assert.strictEqual(defaultPids({ cpus: 64, memory: 256 * GiB }), 65_536)
    // Each thread needs memory of the kernel's.
    assert.strictEqual(defaultPids({ cpus: 1, memory: GiB }), 8192)
  })

  it.effect("is the engine's answer and Linux's default for a remote host", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* capacityOfHost({ ...elsewhere, DockerRootDir: "/" }), {
        cpus: 4,
        memory: 16 * GiB,
        pids: 32_768,
        disk: undefined,
      })
    }),
  )

  it.live("is read from this machine for a local engine", () =>
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

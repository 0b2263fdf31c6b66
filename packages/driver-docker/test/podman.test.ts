import { ConfigProvider, Effect, Result } from "effect"
import { assert, describe, it } from "vitest"
import { actionOf, familiar, isPodman, networkOf } from "../src/engine/podman.ts"
import type { EngineInfo } from "../src/engine/schemas.ts"
import { defaultRuntimeNames, runtimesOf } from "../src/Runtimes.ts"
import { ulimitsOf } from "../src/Ulimits.ts"

// As Podman 4.3.1 answered.
const podman: EngineInfo = {
  NCPU: 2,
  MemTotal: 8 * 1024 ** 3,
  BuildahVersion: "1.28.2",
  DefaultRuntime: "crun",
  Runtimes: { crun: {}, kata: {}, krun: {}, runc: {}, runj: {}, runsc: {} },
}

describe("Podman", () => {
  it("is told apart from Docker, and offers the runtime it runs, whatever it lists", () => {
    const { BuildahVersion: _, ...docker } = podman
    assert.isTrue(isPodman(podman))
    assert.isFalse(isPodman(docker))
    const offered = (host: EngineInfo) =>
      [...runtimesOf(host, defaultRuntimeNames)].map(([ours, { name }]) => [ours, name])
    assert.deepStrictEqual(offered(podman), [["runc", "crun"]])
    assert.deepStrictEqual(offered(docker), [
      ["runc", "runc"],
      ["kata", "kata"],
      ["gvisor", "runsc"],
    ])
  })

  it("names its events in its own words", () => {
    assert.strictEqual(actionOf({ Action: "remove" }), "destroy")
    assert.strictEqual(actionOf({ Action: "exec_start: sh -c exec" }), "exec_start")
    assert.strictEqual(actionOf({ Action: "die" }), "die")
  })

  it("reports a container's network only by its addresses", () => {
    const on = { NetworkSettings: { Networks: { "cordon-net-1": {} } } }
    assert.strictEqual(networkOf({ ...on, HostConfig: { NetworkMode: "bridge" } }), "cordon-net-1")
    assert.strictEqual(networkOf(on), "cordon-net-1")
    assert.strictEqual(networkOf({ ...on, HostConfig: { NetworkMode: "own" } }), "own")
    assert.strictEqual(networkOf({ HostConfig: { NetworkMode: "bridge" } }), "bridge")
    assert.isUndefined(networkOf({ NetworkSettings: { Networks: null } }))
  })

  it("gets full names of images", () => {
    assert.strictEqual(familiar("docker.io/library/debian:12"), "debian:12")
    assert.strictEqual(familiar("docker.io/a/b:1"), "a/b:1")
    assert.strictEqual(familiar("localhost/docker.io/b:1"), "localhost/docker.io/b:1")
  })
})

describe("ulimits", () => {
  const read = (option?: { nofile?: number; nproc?: number }, text?: string) =>
    Effect.runPromise(
      Effect.result(ulimitsOf(option)).pipe(
        Effect.provideService(
          ConfigProvider.ConfigProvider,
          ConfigProvider.fromEnv({
            env: text === undefined ? {} : { CONTAINER_SANDBOX_ULIMITS: text },
          }),
        ),
      ),
    )

  it("come from the program, else from its environment, and may be absent", async () => {
    const nofile = 4096
    assert.deepStrictEqual(await read(), Result.succeed({}))
    assert.deepStrictEqual(await read({ nofile }, "nofile=1"), Result.succeed({ nofile }))
    const both = { nofile, nproc: 1024 }
    assert.deepStrictEqual(await read(undefined, "nofile=4096, nproc=1024"), Result.succeed(both))
  })

  it("are refused when invalid", async () => {
    for (const text of ["nofile", "nofile=x", "nofile=0", "nofile=1.5", "memlock=1", "4096"]) {
      const refused = await read(undefined, text)
      assert.isTrue(Result.isFailure(refused) && refused.failure._tag === "InvalidInput", text)
    }
  })
})

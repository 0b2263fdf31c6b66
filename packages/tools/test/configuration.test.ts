import { createSandboxes, Sandboxes } from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import {
  configureContainerSandbox,
  containerSandbox,
  containerSandboxOptions,
} from "../src/index.ts"

const GiB = 1024 ** 3
const configured = (config: unknown, env: Readonly<Record<string, string>> = {}) =>
  configureContainerSandbox(config).pipe(
    Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(env))),
  )

const defaults = {
  image: "ubuntu:24.04",
  runtime: "runc" as const,
  limits: { memory: 2 * GiB, cpus: 1, pids: 256 },
}

describe("the configuration of container_sandbox", () => {
  it.effect("has the documented defaults", () =>
    Effect.gen(function* () {
      for (const nothing of [undefined, {}, { docker_host: null, image: null, pids_limit: null }]) {
        assert.deepStrictEqual(yield* configured(nothing), {
          engine: { host: undefined },
          settings: defaults,
        })
      }
    }),
  )

  it.effect("has a field for the engine, the runtime, the image and each limit", () =>
    Effect.gen(function* () {
      const config = {
        docker_host: "tcp://engine.example.com:2376",
        runtime: "gvisor",
        image: "python:3.12",
        memory_limit: "512MiB",
        cpu_limit: 0.5,
        pids_limit: 64,
      }
      assert.deepStrictEqual(yield* configured(config), {
        engine: { host: "tcp://engine.example.com:2376" },
        settings: {
          image: "python:3.12",
          runtime: "gvisor",
          limits: { memory: GiB / 2, cpus: 0.5, pids: 64 },
        },
      })
      assert.sameMembers(
        Object.keys(containerSandbox.configuration.properties),
        Object.keys(config),
      )
    }),
  )

  it.effect("overrides the environment, which overrides the defaults", () =>
    Effect.gen(function* () {
      const env = { CONTAINER_SANDBOX_IMAGE: "node:24", CONTAINER_SANDBOX_MEMORY: "1GiB" }
      const { settings } = yield* configured({ image: "python:3.12" }, env)
      assert.deepStrictEqual(settings, {
        ...defaults,
        image: "python:3.12",
        limits: { ...defaults.limits, memory: GiB },
      })
    }),
  )

  it.effect("is refused with the name of the wrong field", () =>
    Effect.gen(function* () {
      for (const [config, message] of [
        [{ images: "x" }, /"images": there is no such field.*docker_host, runtime, image/],
        [{ runtime: "docker" }, /"runtime": .*"gvisor"/],
        [{ image: "UPPER/Case" }, /"image": Expected an image reference/],
        [{ docker_host: "" }, /"docker_host": /],
        [{ memory_limit: true }, /"memory_limit": .*got boolean/],
        [{ memory_limit: "much" }, /memory_limit is much, but must be bytes, or a size/],
        [{ cpu_limit: 0 }, /cpu_limit is 0, but must be at least/],
        [{ pids_limit: 0.5 }, /pids_limit is 0\.5, but must be a whole number/],
        ["gvisor", /Expected object, got string/],
        [["gvisor"], /got array/],
      ] as const) {
        const error = yield* Effect.flip(configured(config))
        assert.strictEqual(error._tag, "InvalidInput")
        assert.match(error.message, /^Invalid configuration of container_sandbox: /)
        assert.match(error.message, message)
      }
    }),
  )

  it("makes sandboxes within its limits", async () => {
    const { settings } = await containerSandboxOptions({ memory_limit: "64MiB", pids_limit: 32 })
    await using sandboxes = createSandboxes({ driver: memory(), ...settings })
    const { info } = await sandboxes.create()
    assert.deepStrictEqual(info.limits, { memory: 64 * 1024 ** 2, cpus: 1, pids: 32 })
    const error = await sandboxes.create({ limits: { pids: 33 } }).then(
      () => assert.fail("it was created"),
      (error: Error) => error,
    )
    assert.match(error.message, /at most 32 processes/)
    const rejected = await containerSandboxOptions({ pids: 1 }).then(
      () => assert.fail("it was taken"),
      (error: { readonly _tag: string }) => error,
    )
    assert.strictEqual(rejected._tag, "InvalidInput")
  })

  it.live("works with layers as well", () =>
    Effect.gen(function* () {
      const { settings } = yield* configureContainerSandbox({ image: "python:3.12" })
      const { image } = yield* Effect.map(Sandboxes, ({ policy }) => policy.defaults).pipe(
        Effect.provide(Sandboxes.layer(settings).pipe(Layer.provide(memory()))),
      )
      assert.strictEqual(image, "python:3.12")
    }),
  )
})

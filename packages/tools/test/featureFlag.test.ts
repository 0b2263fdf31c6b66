import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Option } from "effect"
import { codingContainerHarness, containerSandboxCapability } from "../src/index.ts"

const withEnv = (env: Record<string, string>) =>
  Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))

describe("the container_sandbox capability and the Coding (Container) harness", () => {
  const on: ReadonlyArray<Record<string, string>> = [
    { FEATURE_CONTAINER_SANDBOX: "true" },
    { FEATURE_CONTAINER_SANDBOX: "1" },
    { FEATURE_DOCKER_CAPABILITY: "true" },
    { FEATURE_CONTAINER_SANDBOX: "true", FEATURE_DOCKER_CAPABILITY: "false" },
  ]
  it.effect.each(on)("are present with %o", (env) =>
    Effect.gen(function* () {
      const capability = Option.getOrThrow(yield* containerSandboxCapability)
      assert.strictEqual(capability.id, "container_sandbox")
      assert.strictEqual(capability.tools.length, 8)
      for (const { name } of capability.tools) {
        if (name !== "sandbox_read_file") assert.include(capability.instructions, name)
      }
      const harness = Option.getOrThrow(yield* codingContainerHarness)
      assert.strictEqual(harness.id, "coding_container")
      assert.strictEqual(harness.name, "Coding (Container)")
      assert.deepStrictEqual(harness.capabilities, [capability.id])
      assert.include(harness.systemPrompt, capability.instructions)
    }).pipe(withEnv(env)),
  )

  const off: ReadonlyArray<Record<string, string>> = [
    {},
    { FEATURE_CONTAINER_SANDBOX: "false" },
    { FEATURE_DOCKER_CAPABILITY: "no" },
    { FEATURE_CONTAINER_SANDBOX: "false", FEATURE_DOCKER_CAPABILITY: "true" },
  ]
  it.effect.each(off)("are absent with %o", (env) =>
    Effect.gen(function* () {
      assert.isTrue(Option.isNone(yield* containerSandboxCapability))
      assert.isTrue(Option.isNone(yield* codingContainerHarness))
    }).pipe(withEnv(env)),
  )

  const bad: ReadonlyArray<Record<string, string>> = [
    { FEATURE_CONTAINER_SANDBOX: "maybe" },
    { FEATURE_CONTAINER_SANDBOX: "TRUE!" },
    { FEATURE_DOCKER_CAPABILITY: "2" },
    { FEATURE_CONTAINER_SANDBOX: "true", FEATURE_DOCKER_CAPABILITY: "enabled" },
  ]
  it.effect.each(bad)("refuse %o with the flag's name", (env) =>
    Effect.gen(function* () {
      for (const feature of [containerSandboxCapability, codingContainerHarness]) {
        const error = yield* Effect.flip<
          unknown,
          { readonly _tag: string; readonly message: string },
          never
        >(feature)
        assert.strictEqual(error._tag, "InvalidInput")
        assert.match(
          error.message,
          /^Invalid FEATURE_(CONTAINER_SANDBOX|DOCKER_CAPABILITY): set it to true or false/,
        )
      }
    }).pipe(withEnv(env)),
  )
})

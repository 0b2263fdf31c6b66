import {
  type ImageAccess,
  namesImage,
  SandboxDriver,
  Sandboxes,
  Settings,
  type SettingsInput,
} from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Redacted } from "effect"

const password = "open-sesame-4711"
const login = { username: "me", password } as const

/** With whose rights a creation had its image. */
const accessOf = (
  settings: SettingsInput,
  creation: Parameters<typeof Sandboxes.scoped>[1] = {},
  env: Readonly<Record<string, string>> = {},
) =>
  Effect.gen(function* () {
    let seen: ImageAccess | undefined
    const watching = Layer.effect(
      SandboxDriver,
      Effect.map(SandboxDriver, (driver) => ({
        ...driver,
        create: (request, onProgress) => {
          seen = request.access
          assert.notInclude(JSON.stringify(request.spec), password)
          return driver.create(request, onProgress)
        },
      })),
    ).pipe(Layer.provide(memory()))
    yield* Effect.gen(function* () {
      const session = yield* (yield* Sandboxes).session("s")
      yield* Sandboxes.scoped(session, creation)
    }).pipe(
      Effect.scoped,
      Effect.provide(Layer.provide(Sandboxes.layer(settings), watching)),
      Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(env))),
    )
    return seen
  })

const named: ReadonlyArray<readonly [SettingsInput, string, boolean]> = [
  [{}, "ubuntu:24.04", true],
  [{}, "python", false],
  [{}, "ghcr.io/acme/app", false],
  [{ image: "ghcr.io/acme/app:1" }, "ghcr.io/acme/app:1", true],
  [{ image: "ghcr.io/acme/app:1" }, "ghcr.io/acme/app:2", false],
  [{ allow: { images: ["ghcr.io/acme/*"] } }, "ghcr.io/acme/app:2", true],
  [{ allow: { images: ["ghcr.io/acme/*"] } }, "ghcr.io/acme2/app", false],
  [{ allow: { registries: ["ghcr.io", "r.example.com"] } }, "ghcr.io/acme/app", false],
  [{ allow: { registries: ["ghcr.io", "r.example.com"] } }, "r.example.com/acme/app", true],
  [{ allow: { registries: ["r.example.com"] } }, "cafe", false],
  [{ allow: { images: ["*"] } }, "anything", true],
]

describe("credentials of registries", () => {
  it.effect("allow images that the settings name, not every public registry", () =>
    Effect.gen(function* () {
      for (const [settings, image, expected] of named) {
        const { policy } = yield* Effect.provide(Settings, Settings.layer(settings)).pipe(
          Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({}))),
        )
        assert.strictEqual(
          namesImage(policy, image),
          expected,
          `${image} ${JSON.stringify(settings)}`,
        )
      }
    }),
  )

  it.effect("of the settings are sent only to their own registry", () =>
    Effect.gen(function* () {
      const settings = {
        registryCredentials: {
          "docker.io": login,
          "ghcr.io": { identityToken: Redacted.make("t") },
        },
        allow: { images: ["ghcr.io/acme/*", "quay.io/acme/*"], registries: ["docker.io"] },
      }
      const hub = yield* accessOf(settings)
      assert.deepInclude(hub, { as: "operator", always: false })
      assert.deepEqual(hub?.credentials, { username: "me", password: Redacted.make(password) })
      const token = yield* accessOf(settings, { image: "ghcr.io/acme/a" })
      assert.deepEqual(token?.credentials, { identityToken: Redacted.make("t") })
      const none = yield* accessOf(settings, { image: "quay.io/acme/a" })
      assert.deepStrictEqual(none, { as: "operator", credentials: undefined, always: false })
      const anybody = yield* accessOf(settings, { image: "acme/secret" })
      assert.deepStrictEqual(anybody, { as: "anybody", always: false })
    }),
  )

  it.effect("of a creation override others, and make the engine ask the registry", () =>
    Effect.gen(function* () {
      const theirs = { username: "them", password: Redacted.make("x") }
      const settings = { registryCredentials: { "docker.io": login } }
      const own = yield* accessOf(settings, { registryCredentials: { "docker.io": theirs } })
      assert.deepEqual(own, { as: "creation", credentials: theirs, always: true })
      const other = yield* accessOf(settings, { registryCredentials: { "ghcr.io": theirs } })
      assert.strictEqual(other?.as, "operator")
    }),
  )

  it.effect("can come from the environment, as can pull: always", () =>
    Effect.gen(function* () {
      const env = {
        CONTAINER_SANDBOX_REGISTRY_CREDENTIALS: JSON.stringify({ "docker.io": login }),
        CONTAINER_SANDBOX_PULL: "always",
      }
      const access = yield* accessOf({}, {}, env)
      assert.deepEqual(access, {
        as: "operator",
        credentials: { username: "me", password: Redacted.make(password) },
        always: true,
      })
    }),
  )

  it.effect("that are invalid are refused with an error that repeats none of them", () =>
    Effect.gen(function* () {
      const wrong: ReadonlyArray<unknown> = [
        password,
        [password],
        { "https://docker.io/v1/": login },
        { "docker.io": password },
        { "docker.io": { username: password } },
        { "docker.io": { username: "a:b", password } },
        { "docker.io": { username: "me", password: "" } },
        { "docker.io": { username: "me", password: `${password}\0` } },
        { "docker.io": { ...login, identityToken: password } },
        { "docker.io": { ...login, registry: password } },
      ]
      for (const registryCredentials of wrong) {
        // As programs without a compiler have it.
        const settings: SettingsInput = JSON.parse("{}")
        Reflect.set(settings, "registryCredentials", registryCredentials)
        const error = yield* Effect.flip(accessOf(settings))
        assert.strictEqual(error._tag, "InvalidInput", JSON.stringify(registryCredentials))
        assert.match(error.message, /registryCredentials/)
        assert.notInclude(JSON.stringify(error) + error.message, password)
      }
      for (const text of [password, JSON.stringify({ "docker.io": password })]) {
        const env = { CONTAINER_SANDBOX_REGISTRY_CREDENTIALS: text }
        const error = yield* Effect.flip(accessOf({}, {}, env))
        assert.match(error.message, /CONTAINER_SANDBOX_REGISTRY_CREDENTIALS/)
        assert.notInclude(error.message, password)
      }
    }),
  )
})

import {
  type Allow,
  type CreateOptions,
  decide,
  type Limits,
  makePolicy,
  type NetworkMode,
  type Runtime,
  type RuntimeChoice,
  Settings,
  type SettingsInput,
} from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect } from "effect"
import * as fc from "fast-check"

const runtimes = ["kata", "gvisor", "sysbox-runc", "runc"] as const
const networks = ["none", "internal", "bridge"] as const

const hostOf = (offered: ReadonlyArray<Runtime>, capacity: Partial<Limits> = {}) => ({
  runtimes: offered.map((runtime) => ({
    runtime,
    isolation: "container" as const,
    keepsFiles: true,
  })),
  capacity,
  enforced: { memory: true, cpus: true, pids: true, disk: true },
})
const anyHost = hostOf(runtimes)

const policyOf = (settings: SettingsInput, env: Readonly<Record<string, string>> = {}) =>
  Effect.map(Settings, ({ policy }) => policy).pipe(
    Effect.provide(Settings.layer(settings)),
    Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(env))),
  )

/** What becomes of a wish. */
const outcome = (
  settings: SettingsInput,
  wish: Pick<CreateOptions, "runtime" | "network" | "limits" | "image" | "egress">,
  host = anyHost,
  env: Readonly<Record<string, string>> = {},
) => Effect.flatMap(policyOf(settings, env), (policy) => Effect.result(decide(policy, wish, host)))

const strict: SettingsInput = {
  runtime: "gvisor",
  network: "none",
  limits: { memory: "256MiB", cpus: 0.5, pids: 64, disk: "1GiB" },
  image: "registry.example.com:5000/team/base:1",
}

const refusal = Effect.fnUntraced(function* (
  settings: SettingsInput,
  wish: Parameters<typeof outcome>[1],
  host = anyHost,
) {
  const result = yield* outcome(settings, wish, host)
  if (result._tag === "Success") return assert.fail(`${JSON.stringify(wish)} was allowed`)
  return result.failure
})

describe("a policy", () => {
  it.effect("gives the set values when nothing is requested", () =>
    Effect.gen(function* () {
      const result = yield* outcome(strict, {})
      assert.deepStrictEqual(result._tag === "Success" && result.success, {
        runtime: "gvisor",
        network: "none",
        limits: { memory: 256 * 1024 ** 2, cpus: 0.5, pids: 64, disk: 1024 ** 3 },
        egress: undefined,
      })
    }),
  )

  it.effect("refuses each request above the set value, and says what is allowed", () =>
    Effect.gen(function* () {
      for (const [wish, part, message] of [
        [{ runtime: "runc" }, "runtime", /"runc" is not allowed here\. Allowed: "gvisor", "kata"/],
        [{ runtime: "sysbox-runc" }, "runtime", /"gvisor", "kata"/],
        [{ network: "bridge" }, "network", /"bridge" is not allowed here\. Allowed: "none"\./],
        [{ network: "internal" }, "network", /Allowed: "none"\./],
        [{ limits: { memory: "257MiB" } }, "memory", /257 MiB .* at most 256 MiB/],
        [{ limits: { cpus: 0.51 } }, "cpus", /0\.51 cores .* at most 0\.5 cores/],
        [{ limits: { pids: 65 } }, "pids", /65 processes .* at most 64 processes/],
        [{ limits: { disk: "2GiB" } }, "disk", /2 GiB .* at most 1 GiB/],
        [
          { image: "127.0.0.1:5099/team/app:1" },
          "image",
          /"127\.0\.0\.1:5099\/team\/app:1" .* "registry\.example\.com:5000\/team\/base:1", images of docker\.io, ghcr\.io/,
        ],
      ] as const) {
        const error = yield* refusal(strict, wish)
        assert.strictEqual(error._tag === "NotAllowed" && error.part, part)
        assert.match(error.message, message)
      }
    }),
  )

  it.effect("allows requests below the set values", () =>
    Effect.gen(function* () {
      const wish = { runtime: "kata", limits: { memory: "128MiB", cpus: 0.1, pids: 32 } } as const
      const result = yield* outcome({ ...strict, network: "bridge" }, { ...wish, network: "none" })
      assert.deepInclude(result._tag === "Success" && result.success, {
        runtime: "kata",
        network: "none",
      })
    }),
  )

  it.effect("does not reveal the host's capacity to a session whose maximum is lower", () =>
    Effect.gen(function* () {
      const error = yield* refusal(
        strict,
        { limits: { memory: "999TiB" } },
        hostOf(runtimes, { memory: 1024 ** 3 }),
      )
      assert.notMatch(error.message, /this host/)
    }),
  )

  it.effect("caps the allowed maximum at the host's capacity", () =>
    Effect.gen(function* () {
      const most = { memory: 1024 ** 3, cpus: 2, pids: 1000, disk: 1024 ** 3 }
      const allow = { limits: { memory: "1TiB", cpus: 512, pids: 100_000, disk: "1TiB" } }
      const settings = { limits: { disk: "1MiB" }, allow }
      for (const limits of [
        { memory: "2GiB" },
        { cpus: 4 },
        { pids: 1001 },
        { disk: "2GiB" },
      ] as const) {
        const error = yield* refusal(settings, { limits }, hostOf(runtimes, most))
        assert.strictEqual(error._tag, "InvalidLimits")
        assert.match(error.message, /this host has/)
      }
    }),
  )

  it.effect("refuses a limit of processes above the kernel's maximum", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(policyOf({ allow: { limits: { pids: 4_194_305 } } }))
      assert.match(error.message, /at most 4194304 processes/)
    }),
  )

  it.effect("resolves the strongest runtime of the host", () =>
    Effect.gen(function* () {
      const weak = yield* refusal({ runtime: "strongest" }, { runtime: "runc" })
      assert.match(weak.message, /Allowed: "kata"\./)
      const host = hostOf(["runc", "gvisor"])
      const kata = yield* outcome({ runtime: "strongest" }, { runtime: "gvisor" }, host)
      assert.strictEqual(kata._tag, "Success")
      const chosen = yield* outcome({ runtime: "gvisor" }, { runtime: "strongest" }, host)
      assert.strictEqual(chosen._tag === "Success" && chosen.success.runtime, "gvisor")
      // The strongest of a host can be weaker than what is set.
      const none = yield* refusal({ runtime: "kata" }, { runtime: "strongest" }, host)
      assert.strictEqual(none._tag, "RuntimeUnavailable")
    }),
  )

  it.effect("never gives more than the set values, whatever is requested", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.record({
            runtime: fc.constantFrom<RuntimeChoice>(...runtimes, "strongest"),
            network: fc.constantFrom<NetworkMode>(...networks),
            limits: fc.record({
              memory: fc.integer({ min: 2 ** 24, max: 2 ** 40 }),
              cpus: fc.integer({ min: 1, max: 64 }),
              pids: fc.integer({ min: 16, max: 100_000 }),
            }),
          }),
          fc.record(
            {
              runtime: fc.constantFrom<RuntimeChoice>(...runtimes, "strongest"),
              network: fc.constantFrom<NetworkMode>(...networks),
              limits: fc.record(
                {
                  memory: fc.integer({ min: 2 ** 24, max: 2 ** 40 }),
                  cpus: fc.integer({ min: 1, max: 64 }),
                  pids: fc.integer({ min: 16, max: 100_000 }),
                },
                { requiredKeys: [] },
              ),
            },
            { requiredKeys: [] },
          ),
          fc.uniqueArray(fc.constantFrom<Runtime>(...runtimes)),
          async (settings, wish, offered) => {
            const result = await Effect.runPromise(outcome(settings, wish, hostOf(offered)))
            if (result._tag === "Failure") return
            const { runtime, network, limits } = result.success
            const strength = (name: Runtime) => runtimes.indexOf(name)
            assert.include(offered, runtime)
            if (settings.runtime !== "strongest") {
              assert.isAtMost(strength(runtime), strength(settings.runtime))
            } else {
              assert.isAtMost(strength(runtime), Math.min(...offered.map(strength)))
            }
            assert.isAtMost(networks.indexOf(network), networks.indexOf(settings.network))
            for (const part of ["memory", "cpus", "pids"] as const) {
              assert.isAtMost(limits[part], settings.limits[part])
              assert.strictEqual(limits[part], wish.limits?.[part] ?? settings.limits[part])
            }
            assert.strictEqual(network, wish.network ?? settings.network)
          },
        ),
      ),
    ),
  )
})

describe("the allowance of a policy", () => {
  const allowed = Effect.fnUntraced(function* (
    settings: SettingsInput,
    wish: Parameters<typeof outcome>[1],
    env = {},
  ) {
    return (yield* outcome(settings, wish, anyHost, env))._tag === "Success"
  })

  it.effect("covers by default images of public registries and the set image", () =>
    Effect.gen(function* () {
      for (const image of [
        "python:3.12-slim",
        "acme/tool",
        "ghcr.io/acme/tool:1",
        "registry.example.com:5000/team/base:1",
        `node@sha256:${"a".repeat(64)}`,
      ]) {
        assert.isTrue(yield* allowed(strict, { image }), image)
      }
      for (const image of [
        "registry.example.com:5000/team/base:2",
        "registry.example.com:5000/team/other:1",
        "registry.example.com/team/base:1",
        "127.0.0.1/x",
        "localhost/x",
        "localhost:5000/x",
        "docker.io:80/x",
        "registry.local/x",
        "metadata.google.internal/x",
        "nas.lan/x",
        "evil.example/x",
        "ghcr.io.evil.example/x",
        `sha256:${"a".repeat(64)}`,
        "a".repeat(64),
        "0123456789ab",
      ]) {
        assert.isFalse(yield* allowed(strict, { image }), image)
      }
    }),
  )

  it.effect("is replaced by each given list, except that the set values stay allowed", () =>
    Effect.gen(function* () {
      const only: Allow = { runtimes: ["runc"], networks: ["bridge"], images: ["python"] }
      const settings = { ...strict, allow: only }
      for (const wish of [
        { runtime: "runc" },
        { runtime: "gvisor" },
        { network: "bridge" },
        { network: "none" },
        { image: "python:3.12" },
        { image: "registry.example.com:5000/team/base:1" },
      ] as const) {
        assert.isTrue(yield* allowed(settings, wish), JSON.stringify(wish))
      }
      for (const wish of [
        { runtime: "kata" },
        { runtime: "sysbox-runc" },
        { network: "internal" },
        { image: "node" },
        { image: "ghcr.io/acme/tool" },
      ] as const) {
        assert.isFalse(yield* allowed(settings, wish), JSON.stringify(wish))
      }
      const none = { ...strict, allow: { images: [] } }
      assert.isFalse(yield* allowed(none, { image: "ubuntu" }))
      const both = { allow: { images: ["python"], registries: ["localhost:5000"] } }
      assert.isTrue(yield* allowed(both, { image: "localhost:5000/x" }))
      assert.isTrue(yield* allowed(both, { image: "python" }))
      assert.isFalse(yield* allowed(both, { image: "node" }))
      assert.isTrue(yield* allowed({ allow: { images: ["*"] } }, { image: "sha256:ab" }))
    }),
  )

  it.effect("may be a limit above the default", () =>
    Effect.gen(function* () {
      const allow = { limits: { memory: "8GiB", cpus: 4, pids: 1024 } }
      assert.isTrue(yield* allowed({ allow }, { limits: { memory: "8GiB", cpus: 4, pids: 1024 } }))
      assert.isFalse(yield* allowed({ allow }, { limits: { memory: "9GiB" } }))
    }),
  )

  it.effect("comes from the environment when the program sets none", () =>
    Effect.gen(function* () {
      const env = {
        CONTAINER_SANDBOX_ALLOW_RUNTIMES: "runc, gvisor",
        CONTAINER_SANDBOX_ALLOW_NETWORKS: "internal",
        CONTAINER_SANDBOX_ALLOW_MEMORY: "8GiB",
        CONTAINER_SANDBOX_ALLOW_CPUS: "4",
        CONTAINER_SANDBOX_ALLOW_PIDS: "1024",
        CONTAINER_SANDBOX_ALLOW_IMAGES: "python:3.12",
        CONTAINER_SANDBOX_ALLOW_REGISTRIES: "ghcr.io,localhost:5000",
      }
      const settings = { runtime: "kata", network: "none" } as const
      for (const wish of [
        { runtime: "runc" },
        { network: "internal" },
        { limits: { memory: "8GiB", cpus: 4, pids: 1024 } },
        { image: "python:3.12" },
        { image: "localhost:5000/x" },
      ] as const) {
        assert.isTrue(yield* allowed(settings, wish, env), JSON.stringify(wish))
      }
      assert.isFalse(yield* allowed(settings, { network: "bridge" }, env))
      assert.isFalse(yield* allowed(settings, { image: "node" }, env))
      assert.isFalse(yield* allowed({ ...settings, allow: { images: [] } }, { image: "node" }, env))
      const wrong = { CONTAINER_SANDBOX_ALLOW_RUNTIMES: "runc,docker" }
      assert.match((yield* Effect.flip(policyOf({}, wrong))).message, /settings \(allow\)/)
    }),
  )

  it.effect("is refused when it is invalid", () =>
    Effect.gen(function* () {
      for (const [allow, message] of [
        [{ image: ["python"] }, /"image"/],
        [{ images: ["acme/tool-*"] }, /settings \(allow\): .*ghcr\.io\/acme\/\*/],
        [{ registries: ["https://ghcr.io"] }, /a registry's host/],
        [{ limits: { memory: "1GiB" } }, /allow\.limits\.memory.* 1 GiB, less than the 2 GiB/],
        [{ limits: { disk: "1GiB" } }, /set limits\.disk as well/],
        [{ limits: { memory: "much" } }, /Limit memory is much/],
        [{ egress: { allow: ["pypi.org"] } }, /set egress/],
        ["all", /settings \(allow\)/],
        [null, /settings \(allow\)/],
      ] as const) {
        const error = yield* Effect.flip(
          // As from JavaScript.
          policyOf({ allow: allow as Allow }),
        )
        assert.match(error.message.replaceAll("\n", " "), message)
      }
    }),
  )

  it.effect("lets an allow-list of destinations be part of the set one", () =>
    Effect.gen(function* () {
      const egress = {
        allow: ["pypi.org", "*.example.com", "git.example.org:8443"],
        allowAddresses: ["10.20.0.0/16"],
      }
      for (const to of [
        { allow: [] },
        { allow: ["pypi.org", "pypi.org:443", "pypi.org:80", "a.b.example.com"] },
        { allow: ["*.example.com", "*.a.example.com", "git.example.org:8443"] },
        { allow: ["pypi.org"], allowAddresses: ["10.20.7.0/24", "10.20.0.0/16"] },
      ]) {
        assert.isTrue(yield* allowed({ egress }, { egress: to }), JSON.stringify(to))
      }
      for (const to of [
        { allow: ["evil.example"] },
        { allow: ["pypi.org:8080"] },
        { allow: ["*.pypi.org"] },
        { allow: ["example.com"] },
        { allow: ["badexample.com"] },
        { allow: ["git.example.org"] },
        { allow: [], allowAddresses: ["10.20.0.0/15"] },
        { allow: [], allowAddresses: ["10.21.0.0/24"] },
      ]) {
        const error = yield* refusal({ egress }, { egress: to })
        assert.match(error.message, /A way out to .* Allowed: "pypi\.org", /)
      }
      const allow = { egress: { allow: ["evil.example"] } }
      assert.isTrue(yield* allowed({ egress, allow }, { egress: { allow: ["evil.example"] } }))
      // A sandbox that may go anywhere may as well go to a few places only.
      assert.isTrue(yield* allowed({}, { egress: { allow: ["evil.example"] } }))
    }),
  )

  it.effect("covers the values of the settings themselves", () =>
    Effect.gen(function* () {
      const policy = yield* makePolicy({
        image: "a",
        runtime: "runc",
        network: "internal",
        limits: { memory: 2 ** 30, cpus: 1, pids: 16 },
      })
      assert.deepStrictEqual(policy.networks, ["internal", "none"])
      assert.deepStrictEqual(policy.limits, { memory: 2 ** 30, cpus: 1, pids: 16 })
    }),
  )
})

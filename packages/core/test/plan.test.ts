import {
  CreateOptions,
  type DriverCapabilities,
  SandboxName,
  Settings,
  type SettingsInput,
} from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Result, Schema } from "effect"
import { plan } from "../src/session/plan.ts"

const host: DriverCapabilities = {
  driver: "test",
  host: "a host",
  hostId: "host-1",
  runtimes: [
    { runtime: "runc", isolation: "container", keepsFiles: true },
    { runtime: "kata", isolation: "virtual-machine", keepsFiles: false },
  ],
  enforced: { memory: true, cpus: true, pids: true, disk: false },
  capacity: { memory: 4 * 1024 ** 3, cpus: 4 },
  features: ["egress"],
  caveats: [],
}

const planOf = Effect.fnUntraced(
  function* (
    options: CreateOptions,
    input: SettingsInput = {},
    given: { readonly host?: Partial<DriverCapabilities>; readonly store?: string } = {},
  ) {
    const settings = yield* Settings.pipe(Effect.provide(Settings.layer(input)))
    const { egress, ...others } = options
    const wanted = yield* Schema.decodeUnknownEffect(CreateOptions)(others)
    const { spec, rules } = yield* plan(
      SandboxName.make("box"),
      { ...wanted, egress },
      {
        settings,
        host: { ...host, ...given.host },
        store: given.store,
      },
    )
    return rules === undefined ? spec : { ...spec, rules }
  },
  Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({}))),
)

/** The tag and the message of the error that a plan fails with. */
const refusal = (...args: Parameters<typeof planOf>) =>
  Effect.map(Effect.result(planOf(...args)), (result) => {
    if (Result.isSuccess(result)) return assert.fail("the plan should have been refused")
    return `${result.failure._tag}: ${result.failure.message}`
  })

describe("the plan of a sandbox", () => {
  it.effect("uses the settings for absent options", () =>
    Effect.gen(function* () {
      const input = {
        limits: { memory: "1GiB", cpus: 2, pids: 32 },
        network: "internal",
        idleTimeout: "1 minute",
        removeTimeout: "1 hour",
      } as const
      assert.deepStrictEqual(yield* planOf({}, input), {
        name: SandboxName.make("box"),
        runtime: "runc",
        network: "internal",
        limits: { memory: 1024 ** 3, cpus: 2, pids: 32 },
        egress: undefined,
        lease: { idleTimeout: 60_000, removeTimeout: 3_600_000, store: undefined },
        env: {},
        workdir: undefined,
        user: undefined,
        tags: undefined,
      })
    }),
  )

  it.effect("uses the given options", () =>
    Effect.gen(function* () {
      const options = {
        runtime: "kata",
        network: "bridge",
        limits: { memory: 64 * 1024 ** 2, cpus: 0.5, pids: 16, disk: 1024 ** 3 },
        egress: { allow: ["example.com"] },
        env: { LEVEL: "1" },
        workdir: "/srv",
        user: "1000:1000",
        tags: { team: "a" },
      } as const
      const { lease: _, name: __, ...planned } = yield* planOf(options)
      assert.deepStrictEqual(planned, options)
    }),
  )

  it.effect("has no tags when the options give an empty set", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* planOf({ tags: {} })).tags, undefined)
    }),
  )

  it.effect("never stops an idle sandbox whose files would not outlive the stop", () =>
    Effect.gen(function* () {
      const times = { idleTimeout: "1 minute", removeTimeout: "1 hour" } as const
      const { lease } = yield* planOf({ runtime: "kata" }, times)
      assert.strictEqual(lease.idleTimeout, 3_600_000)
      assert.strictEqual(lease.removeTimeout, 3_600_000)
      assert.strictEqual((yield* planOf({ runtime: "runc" }, times)).lease.idleTimeout, 60_000)
    }),
  )

  it.effect("names the lease store that the sandbox belongs to", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* planOf({}, {}, { store: "store-1" })).lease.store, "store-1")
    }),
  )

  it.effect("refuses options that the policy refuses", () =>
    Effect.gen(function* () {
      assert.match(
        yield* refusal({ network: "bridge" }, { network: "none" }),
        /^NotAllowed: .*"bridge"/s,
      )
      assert.match(
        yield* refusal({}, { limits: { memory: "8GiB" } }),
        /^InvalidLimits: .*memory/s,
        "more than the host has",
      )
    }),
  )

  it.effect("refuses a sandbox without a limit of disk space when there is a quota of it", () =>
    Effect.gen(function* () {
      for (const input of [{ sessionQuota: { disk: "2GiB" } }, { hostQuota: { disk: "2GiB" } }]) {
        assert.match(yield* refusal({}, input), /^InvalidLimits: .*quota of disk space/s)
        assert.strictEqual(
          (yield* planOf({ limits: { disk: "1GiB" } }, input)).limits.disk,
          1024 ** 3,
        )
      }
      assert.strictEqual(
        (yield* planOf({}, { hostQuota: { memory: "2GiB" } })).limits.disk,
        undefined,
      )
    }),
  )

  it.effect("refuses an allow-list on a network without internet access", () =>
    Effect.gen(function* () {
      const egress = { allow: ["example.com"] }
      for (const network of ["none", "internal"] as const) {
        assert.match(
          yield* refusal({ network, egress }),
          new RegExp(`^InvalidInput: .*egress.*"${network}"`, "s"),
        )
      }
      assert.deepStrictEqual((yield* planOf({ network: "bridge", egress })).egress, egress)
    }),
  )

  it.effect("gives a sandbox with egress rules no network", () =>
    Effect.gen(function* () {
      const egress = { allow: { "example.com": {} } }
      const without = { host: { features: [] } }
      for (const planned of [
        yield* planOf({ egress }, {}, without),
        yield* planOf({}, { egress }, without),
      ]) {
        assert.strictEqual(planned.network, "none")
        assert.isUndefined(planned.egress)
        assert.deepStrictEqual("rules" in planned && planned.rules, egress)
      }
      assert.match(yield* refusal({ network: "none", egress }), /^InvalidInput: .*egress.*"none"/)
    }),
  )

  it.effect("gives a sandbox without internet access no allow-list from the settings", () =>
    Effect.gen(function* () {
      const { egress } = yield* planOf({ network: "none" }, { egress: { allow: ["example.com"] } })
      assert.strictEqual(egress, undefined)
    }),
  )

  it.effect("refuses an allow-list when the driver can't enforce it", () =>
    Effect.gen(function* () {
      const egress = { allow: ["example.com"] }
      const without = { host: { features: [] } }
      assert.match(yield* refusal({ egress }, {}, without), /^Unsupported: /)
      assert.match(yield* refusal({}, { egress }, without), /^Unsupported: /)
      assert.strictEqual((yield* planOf({}, {}, without)).egress, undefined)
    }),
  )

  it.effect("refuses both an image and a snapshot", () =>
    Effect.gen(function* () {
      assert.match(
        yield* refusal({ image: "ubuntu:24.04", snapshot: "base" }),
        /^InvalidInput: .*either an image or a snapshot/s,
      )
      yield* planOf({ image: "ubuntu:24.04" })
      yield* planOf({ snapshot: "base" })
    }),
  )
})

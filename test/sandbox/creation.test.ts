import {
  EngineUnreachable,
  LeaseStore,
  leaseStoreMemory,
  SandboxDriver,
  Sandboxes,
  SandboxName,
  type SandboxSpec,
  type Secrets,
  SessionId,
  type SettingsInput,
  type SnapshotInfo,
  sessionKey,
} from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { capable, driverWith, sandboxesOn, sessionWith } from "../support/capableDriver.ts"

const minute = 60_000

const snapshot: SnapshotInfo = {
  name: SandboxName.make("taken"),
  session: sessionKey(SessionId.make("a")),
  image: "cordon-snapshot:taken",
  sandbox: SandboxName.make("box"),
  createdAt: new Date(0),
  size: 1,
}

/** A session, and what its driver is asked to create. */
const specified = (
  settings: SettingsInput = {},
  keepsFiles = true,
  snapshots: ReadonlyArray<SnapshotInfo> = [snapshot],
) =>
  Effect.gen(function* () {
    const specs: Array<SandboxSpec> = []
    const session = yield* sessionWith(
      (driver) => ({
        capabilities: Effect.map(driver.capabilities, (all) => ({
          ...all,
          runtimes: [
            {
              runtime: "gvisor" as const,
              isolation: "user-space-kernel" as const,
              keepsFiles: !keepsFiles,
            },
            { runtime: "runc" as const, isolation: "container" as const, keepsFiles },
          ],
        })),
        snapshots: () => Effect.succeed(snapshots),
        create: (request) => {
          specs.push(request.spec)
          return driver.create(request)
        },
      }),
      { runtime: "runc", ...settings },
    )
    return { session, specs }
  })

describe("A creation", () => {
  it.live("asks the driver for the given options, and takes the rest from the settings", () =>
    Effect.gen(function* () {
      const { session, specs } = yield* specified({ image: "ours:1", network: "none" })
      yield* session.create()
      yield* session.create({
        name: "box",
        image: "ours:1",
        env: { A: "1" },
        workdir: "/work",
        user: "me",
      })
      const [first, second] = specs
      assert.match(String(specs[0]?.name), /^box-[0-9a-f]{8}$/)
      assert(first !== undefined)
      const { name, limits } = first
      const lease = { idleTimeout: 10 * minute, removeTimeout: 20 * minute, store: undefined }
      const common = {
        ...{ image: "ours:1", runtime: "runc" as const, limits, network: "none" as const, lease },
        ...{ egress: undefined, workdir: undefined, user: undefined, tags: undefined },
      }
      assert.deepStrictEqual(first, { name, ...common, env: {} })
      assert.deepStrictEqual(second, {
        name: SandboxName.make("box"),
        ...common,
        env: { A: "1" },
        workdir: "/work",
        user: "me",
      })
    }).pipe(Effect.scoped),
  )

  it.live("has no idle stop when that would lose the files", () =>
    Effect.gen(function* () {
      const { session, specs } = yield* specified({}, false)
      yield* session.create()
      assert.deepStrictEqual(specs[0]?.lease, {
        idleTimeout: 20 * minute,
        removeTimeout: 20 * minute,
        store: undefined,
      })
    }).pipe(Effect.scoped),
  )

  it.live("records the lease store that its sandbox belongs to", () =>
    Effect.gen(function* () {
      const driver = yield* driverWith(() => ({}))
      const store = Context.get(yield* Layer.build(leaseStoreMemory), LeaseStore)
      const sandboxes = Context.get(
        yield* Layer.build(
          Sandboxes.layerStore().pipe(
            Layer.provide(Layer.succeed(SandboxDriver, driver)),
            Layer.provide(Layer.succeed(LeaseStore, { ...store, id: "shared" })),
          ),
        ),
        Sandboxes,
      )
      const { info } = yield* (yield* sandboxes.session("a")).create()
      assert.strictEqual(info.lease.store, "shared")
    }).pipe(Effect.scoped),
  )

  it.live("from a snapshot uses its image, and fails without a snapshot of that name", () =>
    Effect.gen(function* () {
      const other = { ...snapshot, name: SandboxName.make("other"), image: "other:1" }
      const { session, specs } = yield* specified({}, true, [other, snapshot])
      yield* session.create({ snapshot: "taken" })
      assert.strictEqual(specs[0]?.image, snapshot.image)
      const missing = yield* Effect.flip(session.create({ snapshot: "none" }))
      assert.deepInclude(missing, { _tag: "SnapshotNotFound", snapshot: "none" })
      const both = yield* Effect.flip(session.create({ snapshot: "taken", image: "ubuntu:24.04" }))
      assert.match(both.message, /either an image or a snapshot/)
      assert.strictEqual(specs.length, 1)
    }).pipe(Effect.scoped),
  )

  it.live("needs a limit of disk space when the session has a quota of it", () =>
    Effect.gen(function* () {
      const { session } = yield* specified({ sessionQuota: { disk: "3GiB" } })
      const error = yield* Effect.flip(session.create())
      assert.deepInclude(error, { _tag: "InvalidLimits", limit: "disk" })
      yield* session.create({ limits: { disk: "1GiB" } })
    }).pipe(Effect.scoped),
  )

  it.live(
    "is refused for a secret that no variable can hold, and the error does not repeat it",
    () =>
      Effect.gen(function* () {
        const { session, specs } = yield* specified()
        const wrong: ReadonlyArray<Secrets> = [
          { "NOT-A-NAME": "s3cret" },
          { NUL: "s3cret\0" },
          JSON.parse('{ "PORT": 8080 }'),
          { HALF: Redacted.make("s3cret\ud800") },
        ]
        for (const secrets of wrong) {
          const calls: ReadonlyArray<Effect.Effect<unknown, Error>> = [
            session.create({ secrets }),
            session.get("box", { secrets }),
          ]
          for (const call of calls) {
            const error = yield* Effect.flip(call)
            assert.propertyVal(error, "_tag", "InvalidInput")
            assert.match(error.message, /secrets/)
            assert.notInclude(JSON.stringify(error) + error.message, "s3cret")
          }
        }
        assert.deepStrictEqual(specs, [])
      }).pipe(Effect.scoped),
  )
})

describe("Getting a sandbox", () => {
  it.live("by a reference that names none of the session fails with that reference", () =>
    Effect.gen(function* () {
      const { session } = yield* specified()
      for (const reference of ["none", "No Name"]) {
        const error = yield* Effect.flip(session.get(reference))
        assert.deepInclude(error, { _tag: "SandboxNotFound", sandbox: reference })
      }
    }).pipe(Effect.scoped),
  )
})

describe("Snapshots", () => {
  it.live("are taken under the given name, or a generated one", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const session = yield* sessionWith((driver) => ({
        ...capable(driver),
        snapshot: (_, name) => {
          asked.push(name)
          return Effect.succeed(snapshot)
        },
        removeSnapshot: (_, name) => Effect.sync(() => void asked.push(`remove ${name}`)),
      }))
      const sandbox = yield* session.create()
      yield* sandbox.snapshot("mine")
      yield* sandbox.snapshot()
      yield* session.snapshots.remove("mine")
      const wrong = "No Name"
      const calls: ReadonlyArray<Effect.Effect<unknown, Error>> = [
        sandbox.snapshot(wrong),
        session.snapshots.remove(wrong),
      ]
      for (const call of calls) {
        const error = yield* Effect.flip(call)
        assert.match(error.message, /name of a snapshot/)
      }
      const [first, second, ...rest] = asked
      assert.strictEqual(first, "mine")
      assert.match(String(second), /^snapshot-[0-9a-f]{8}$/)
      assert.deepStrictEqual(rest, ["remove mine"])
    }).pipe(Effect.scoped),
  )
})

describe("A driver's capabilities", () => {
  it.effect("are cached for a minute, and a failure to read them is not", () =>
    Effect.gen(function* () {
      let asked = 0
      let away = true
      const driver = yield* driverWith((driver) => ({
        capabilities: Effect.suspend(() => {
          asked += 1
          return away
            ? Effect.fail(new EngineUnreachable({ endpoint: "unix:///none", reason: "away" }))
            : Effect.map(driver.capabilities, (all) => ({ ...all, host: `answer ${asked}` }))
        }),
      }))
      const { capabilities } = yield* sandboxesOn(driver)
      yield* Effect.flip(capabilities)
      away = false
      const { host } = yield* capabilities
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual((yield* capabilities).host, host)
      yield* TestClock.adjust("1 second")
      assert.notStrictEqual((yield* capabilities).host, host)
    }).pipe(Effect.scoped),
  )
})

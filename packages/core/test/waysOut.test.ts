import { memory } from "@cordon/driver-memory"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer } from "effect"
import { recordingBroker } from "../../../test/support/recordingBroker.ts"
import {
  type EgressBroker,
  type EgressRules,
  PortUnavailable,
  SandboxDriver,
  Sandboxes,
  type SandboxSpec,
  type SettingsInput,
} from "../src/index.ts"

const rules: EgressRules = { allow: { "api.test": {} } }

const session = Effect.flatMap(Sandboxes, (sandboxes) => sandboxes.session("ways"))
/** What the driver was asked to make. */
const created: Array<SandboxSpec> = []
const driver = Layer.effect(
  SandboxDriver,
  Effect.map(SandboxDriver, (inner) =>
    SandboxDriver.of({
      ...inner,
      create: (request, onProgress) => {
        created.push(request.spec)
        return inner.create(request, onProgress)
      },
    }),
  ),
).pipe(Layer.provide(memory()))

const on = (broker: Layer.Layer<EgressBroker> | Layer.Layer<never>, settings: SettingsInput = {}) =>
  Sandboxes.layer(settings).pipe(Layer.provide(broker), Layer.provide(driver))

describe("a sandbox with egress rules", () => {
  it.effect("has its proxy opened on creation, and closed on removal", () => {
    const log: Array<string> = []
    return Effect.gen(function* () {
      const sandbox = yield* (yield* session).create({ egress: rules })
      assert.deepStrictEqual(sandbox.egress.rules, rules)
      assert.strictEqual(sandbox.info.network, "none")
      assert.deepStrictEqual(log, ["made", `opened for ${sandbox.id}`])
      yield* sandbox.remove
      assert.deepStrictEqual(log.slice(2), ["closed"])
      assert.isUndefined(sandbox.egress.rules)
    }).pipe(Effect.provide(on(recordingBroker(log))))
  })

  it.effect("gives the proxy's variables to its commands, and not to its driver", () => {
    const env = { MINE: "1", JAVA_TOOL_OPTIONS: "-Xmx64m" }
    return Effect.gen(function* () {
      const sandbox = yield* (yield* session).create({ egress: rules, env })
      const told = yield* sandbox.run('echo "$HTTPS_PROXY $JAVA_TOOL_OPTIONS $MINE"')
      assert.strictEqual(told.stdout, "api.test -Xmx64m 1\n")
      yield* sandbox.egress.update({ allow: { "other.test": {} } })
      const now = yield* sandbox.run('echo "$HTTPS_PROXY"')
      assert.strictEqual(now.stdout, "other.test\n")
      assert.deepStrictEqual(created.at(-1)?.env, env)
    }).pipe(Effect.provide(on(recordingBroker([]))))
  })

  it.effect("has its proxy closed with the program and with its session", () => {
    const log: Array<string> = []
    return Effect.gen(function* () {
      yield* Effect.gen(function* () {
        const sandboxes = yield* Sandboxes
        yield* Effect.scoped(
          Effect.flatMap(sandboxes.openSession("short"), ({ create }) => create({ egress: rules })),
        )
        assert.strictEqual(log.at(-1), "closed")
        yield* (yield* session).create({ egress: rules })
        assert.notStrictEqual(log.at(-1), "closed")
      }).pipe(Effect.provide(on(recordingBroker(log), { removeOnClose: true })))
      assert.strictEqual(log.at(-1), "closed")
    })
  })

  it.effect("leaves no proxy behind when its creation fails", () => {
    const log: Array<string> = []
    return Effect.gen(function* () {
      const { create } = yield* session
      yield* create({ name: "box", egress: rules })
      const error = yield* Effect.flip(create({ name: "box", egress: rules }))
      assert.strictEqual(error._tag, "SandboxNameTaken")
      assert.deepStrictEqual(log.slice(2), ["made", "closed"])
    }).pipe(Effect.provide(on(recordingBroker(log))))
  })

  it.effect("is removed when its proxy can't be opened", () => {
    const log: Array<string> = []
    const broken = Effect.fail(new PortUnavailable({ port: 3128, reason: "it is taken" }))
    return Effect.gen(function* () {
      const { create, list } = yield* session
      const error = yield* Effect.flip(create({ egress: rules }))
      assert.strictEqual(error._tag, "EgressUnavailable")
      assert.match(error.message, /it is taken/)
      assert.deepStrictEqual(yield* list, [])
      assert.strictEqual(log.at(-1), "closed")
    }).pipe(Effect.provide(on(recordingBroker(log, broken))))
  })

  it.effect("is removed when its creation is interrupted while the proxy opens", () => {
    const log: Array<string> = []
    return Effect.gen(function* () {
      const opening = yield* Deferred.make<void>()
      const hanging = Effect.andThen(Deferred.succeed(opening, undefined), Effect.never)
      yield* Effect.gen(function* () {
        const { create, list } = yield* session
        const creating = yield* Effect.forkChild(create({ egress: rules }))
        yield* Deferred.await(opening)
        yield* Fiber.interrupt(creating)
        assert.deepStrictEqual(yield* list, [])
        assert.strictEqual(log.at(-1), "closed")
      }).pipe(Effect.provide(on(recordingBroker(log, hanging))))
    })
  })

  it.effect("is not created with invalid rules, or without an egress broker", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const refused = Effect.gen(function* () {
        const { create, list } = yield* session
        const error = yield* Effect.flip(create({ egress: { allow: { "bad.test": {} } } }))
        assert.deepStrictEqual(yield* list, [])
        return error
      })
      const bad = yield* Effect.provide(refused, on(recordingBroker(log)))
      assert.match(bad.message, /bad\.test is bad/)
      assert.deepStrictEqual(log, [])
      const nobody = yield* Effect.provide(refused, on(Layer.empty))
      assert.match(nobody.message, /egressBroker/)
    }),
  )

  it.effect("refuses rules inside a list with an error that shows no secret", () =>
    Effect.gen(function* () {
      const { create } = yield* session
      const listed = [{ "api.test": { headers: { authorization: "the-key" } } }]
      const egress = { allow: listed } as unknown as EgressRules
      const error = yield* Effect.flip(create({ egress }))
      assert.strictEqual(error._tag, "InvalidInput")
      assert.notMatch(JSON.stringify(error) + String(error), /the-key/)
    }).pipe(Effect.provide(on(recordingBroker([])))),
  )
})

describe("egress rules of the settings", () => {
  it.effect("apply to every sandbox that gives none", () => {
    const log: Array<string> = []
    return Effect.gen(function* () {
      const { create } = yield* session
      assert.deepStrictEqual((yield* create()).egress.rules, rules)
      assert.isUndefined((yield* create({ network: "none" })).egress.rules)
    }).pipe(Effect.provide(on(recordingBroker(log), { egress: rules })))
  })

  it.effect("are refused at once when invalid, or without an egress broker", () =>
    Effect.gen(function* () {
      for (const [broker, egress] of [
        [recordingBroker([]), { allow: { "bad.test": {} } }],
        [Layer.empty, rules],
      ] as const) {
        const exit = yield* Effect.exit(Effect.provide(Sandboxes, on(broker, { egress })))
        assert.match(String(exit), /InvalidInput/)
      }
    }),
  )
})

describe("egress rules that are updated later", () => {
  it.effect("replace the sandbox's rules", () => {
    const log: Array<string> = []
    return Effect.gen(function* () {
      const { create, get } = yield* session
      yield* create({ name: "box", egress: rules })
      const next = { allow: { "other.test": {} } }
      const found = yield* get("box", { egress: next })
      assert.deepStrictEqual(found.egress.rules, next)
      assert.strictEqual(log.at(-1), "updated")
    }).pipe(Effect.provide(on(recordingBroker(log))))
  })

  it.effect("open one proxy for a sandbox without a network, also for concurrent updates", () => {
    const log: Array<string> = []
    return Effect.gen(function* () {
      const { create, get } = yield* session
      yield* create({ name: "box", network: "none" })
      const found = yield* Effect.all(
        [1, 2, 3].map(() => get("box", { egress: rules })),
        { concurrency: "unbounded" },
      )
      assert.strictEqual(log.filter((step) => step === "made").length, 1)
      for (const { egress } of found) assert.deepStrictEqual(egress.rules, rules)
    }).pipe(Effect.provide(on(recordingBroker(log))))
  })

  it.effect("are refused for a network with internet access", () =>
    Effect.gen(function* () {
      const sandbox = yield* (yield* session).create()
      const error = yield* Effect.flip(sandbox.egress.update(rules))
      assert.strictEqual(error._tag, "InvalidInput")
    }).pipe(Effect.provide(on(recordingBroker([])))),
  )

  it.effect("are refused beyond the allowance of the settings", () =>
    Effect.gen(function* () {
      const wide = { allow: { "api.test": {}, "other.test": {} } }
      const refusal = Effect.flatMap(session, ({ create }) =>
        Effect.flatMap(create(), ({ egress }) => Effect.flip(egress.update(wide))),
      )
      for (const settings of [{ egress: rules }, { network: "none" }] as const) {
        const error = yield* Effect.provide(refusal, on(recordingBroker([]), settings))
        assert.strictEqual(error._tag, "NotAllowed")
      }
    }),
  )
})

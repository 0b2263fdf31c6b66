import {
  type EgressRules,
  EngineUnreachable,
  type OpenedSandbox,
  PortUnavailable,
  SandboxId,
  SandboxNotRunning,
} from "@cordon/core"
import { Deferred, Effect, Exit, Fiber, Scope, Stream } from "effect"
import { assert, describe, it } from "vitest"
import { makeLeading } from "../src/leading.ts"
import { parseRules } from "../src/leads.ts"

const policyOf = (rules: EgressRules) => Effect.runSync(parseRules(rules))
const transparent = (...destinations: ReadonlyArray<string>) =>
  policyOf({ allow: Object.fromEntries(destinations.map((to) => [to, {}])), transparent: true })

/** A sandbox that keeps what is asked of it. Port 5432 is taken. */
const makeInside = () => {
  const ports = new Map<number, Parameters<OpenedSandbox["ports"]["serve"]>[1]>()
  const state: {
    names: string
    maintained: string
    run: Effect.Effect<void, EngineUnreachable | SandboxNotRunning>
  } = { names: "", maintained: "", run: Effect.void }
  const unused = Effect.die("not used")
  const sandbox: OpenedSandbox = {
    run: (_, { stdin } = {}) =>
      Effect.suspend(() => {
        // A command that fails may have done its work in part.
        state.names = String(stdin)
        return Effect.as(state.run, {
          ...{ stdout: "", stderr: "", exitCode: 0, duration: 0, truncated: false },
          ...{ stdoutBytes: 0, stderrBytes: 0, timedOut: false, oomKilled: false },
          restarted: false,
        })
      }),
    ports: {
      ...{ list: unused, wait: () => unused, expose: () => unused },
      ...{ connect: () => unused, reverse: () => unused },
      serve: (port, handle) =>
        port === 5432
          ? Effect.fail(new PortUnavailable({ port, reason: "it is taken" }))
          : Effect.acquireRelease(
              Effect.sync(() => void ports.set(port, handle)),
              () => Effect.sync(() => void ports.delete(port)),
            ),
    },
    maintain: (_, stdin) =>
      Effect.sync(() => {
        state.maintained = stdin
      }),
  }
  return { sandbox, state, ports }
}

/** Opened for `a.test` on its usual ports. */
const opened = Effect.gen(function* () {
  const inside = makeInside()
  const leading = makeLeading({ takeTransparent: () => {} })
  const scope = yield* Scope.make()
  yield* Scope.provide(leading.open(inside.sandbox, transparent("a.test")), scope)
  const held: Array<string> = []
  const apply = (name: string, ...destinations: ReadonlyArray<string>) =>
    leading.apply(transparent(...destinations), () => void held.push(name))
  return { ...inside, leading, scope, held, apply }
})

describe("what leads programs to the proxy", () => {
  it("follows the rules: names and ports come and go", () =>
    Effect.gen(function* () {
      const { state, ports, leading, scope, held, apply } = yield* opened
      assert.deepStrictEqual([state.names, [...ports.keys()]], ["a.test\n", [443, 80]])
      yield* apply("more", "a.test", "b.test:8443")
      assert.deepStrictEqual(
        [state.names, [...ports.keys()]],
        ["a.test\nb.test\n", [443, 80, 8443]],
      )
      yield* apply("less", "b.test:8443")
      assert.deepStrictEqual([state.names, [...ports.keys()]], ["b.test\n", [8443]])
      yield* leading.apply(policyOf({ allow: { "b.test": {} } }), () => void held.push("off"))
      assert.deepStrictEqual([state.names, [...ports.keys()]], ["", []])
      assert.deepStrictEqual(held, ["more", "less", "off"])
      yield* apply("on", "c.test:80")
      assert.deepStrictEqual([state.names, [...ports.keys()]], ["c.test\n", [80]])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual([...ports.keys()], [])
    }).pipe(Effect.runPromise))

  it("stays as it was when a port is taken, or the names can't be written", () =>
    Effect.gen(function* () {
      const { state, ports, held, apply } = yield* opened
      const taken = yield* Effect.flip(apply("taken", "b.test:8443", "b.test:5432"))
      assert.strictEqual(taken._tag, "PortUnavailable")
      assert.deepStrictEqual([state.names, [...ports.keys()]], ["a.test\n", [443, 80]])
      state.run = Effect.fail(new EngineUnreachable({ endpoint: "here", reason: "it is away" }))
      const away = yield* Effect.flip(apply("away", "b.test:8443"))
      assert.strictEqual(away._tag, "EngineUnreachable")
      assert.deepStrictEqual([state.names, [...ports.keys()]], ["a.test\n", [443, 80]])
      assert.deepStrictEqual(held, [])
      // What did not hold is not what is compared with.
      state.run = Effect.void
      yield* apply("now", "b.test:8443")
      assert.deepStrictEqual([state.names, [...ports.keys()], held], ["b.test\n", [8443], ["now"]])
    }).pipe(Effect.runPromise))

  it("stays as it was when an update is interrupted", () =>
    Effect.gen(function* () {
      const { state, ports, held, apply } = yield* opened
      const begun = yield* Deferred.make<void>()
      state.run = Effect.andThen(Deferred.succeed(begun, undefined), Effect.never)
      const updating = yield* Effect.forkChild(apply("never", "b.test:8443"))
      yield* Deferred.await(begun)
      state.run = Effect.void
      yield* Fiber.interrupt(updating)
      assert.deepStrictEqual([state.names, [...ports.keys()], held], ["a.test\n", [443, 80], []])
    }).pipe(Effect.runPromise))

  it("is written again after a start, also when the rules name nothing any more", () =>
    Effect.gen(function* () {
      const { sandbox, state, leading, apply } = yield* opened
      yield* leading.again(sandbox)
      assert.strictEqual(state.maintained, "a.test\n")
      yield* apply("none")
      yield* leading.again(sandbox)
      assert.strictEqual(state.maintained, "")
    }).pipe(Effect.runPromise))

  it("can be taken back while the sandbox is stopped, and is gone after its start", () =>
    Effect.gen(function* () {
      const { sandbox, state, ports, held, leading, apply } = yield* opened
      state.run = Effect.fail(
        new SandboxNotRunning({
          sandbox: SandboxId.make(`cordon-${"0".repeat(16)}-box`),
          status: "stopped",
        }),
      )
      yield* apply("less", "a.test:80")
      yield* apply("none")
      assert.deepStrictEqual([[...ports.keys()], held], [[], ["less", "none"]])
      state.maintained = "untouched"
      yield* leading.again(sandbox)
      assert.strictEqual(state.maintained, "")
    }).pipe(Effect.runPromise))

  it("is what the rules say by the time the sandbox is opened", () =>
    Effect.gen(function* () {
      const { sandbox, state, ports } = makeInside()
      const leading = makeLeading({ takeTransparent: () => {} })
      yield* leading.apply(transparent("a.test"), () => {})
      const scope = yield* Scope.make()
      yield* Scope.provide(leading.open(sandbox, transparent("a.test")), scope)
      assert.deepStrictEqual([state.names, [...ports.keys()]], ["a.test\n", [443, 80]])
    }).pipe(Effect.runPromise))

  it("takes no more connections than the sandbox can hold, on all ports together", () =>
    Effect.gen(function* () {
      const { sandbox, ports } = makeInside()
      let taken = 0
      const leading = makeLeading({ takeTransparent: () => taken++ })
      const scope = yield* Scope.make()
      yield* Scope.provide(leading.open(sandbox, transparent("a.test")), scope)
      const silent = {
        ...{ output: Stream.never, write: () => Effect.void },
        ...{ end: Effect.void, closed: Effect.never },
      }
      const connect = (port: number) => ports.get(port)?.(silent) ?? Effect.die("not served")
      const held = yield* Effect.forEach(Array.from({ length: 100 }), () =>
        Effect.all([
          Effect.forkChild(connect(80), { startImmediately: true }),
          Effect.forkChild(connect(443), { startImmediately: true }),
        ]),
      )
      assert.strictEqual(taken, 128)
      yield* Effect.forEach(held.flat(), Fiber.interrupt)
      yield* Effect.forkChild(connect(80), { startImmediately: true })
      assert.strictEqual(taken, 129)
    }).pipe(Effect.runPromise))

  it("costs nothing where rules are not transparent", () =>
    Effect.gen(function* () {
      const { sandbox, state, ports } = makeInside()
      const leading = makeLeading({ takeTransparent: () => {} })
      state.run = Effect.die("a command")
      state.maintained = "untouched"
      const scope = yield* Scope.make()
      yield* Scope.provide(leading.open(sandbox, policyOf({ allow: { "a.test": {} } })), scope)
      yield* leading.apply(policyOf({ allow: { "b.test": {} } }), () => {})
      yield* leading.again(sandbox)
      assert.deepStrictEqual([state.maintained, [...ports.keys()]], ["untouched", []])
    }).pipe(Effect.runPromise))
})

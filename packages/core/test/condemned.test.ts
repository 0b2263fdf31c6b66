import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import {
  type HostError,
  QuotaExceeded,
  SandboxCondemned,
  type SandboxInfo,
  SandboxNotFound,
} from "../src/index.ts"
import {
  type Driver,
  makeDriver,
  pass,
  settle,
  silent,
  startProcess,
  storages,
} from "./leaseStage.ts"

const quiet = new SandboxCondemned({ sandbox: "0123abcd", reason: "it answers nothing about it" })

/**
 * A host that can't end what is stuck: it says so, lists it still, and has what is made in its place
 * beside it.
 */
const makeHost = Effect.gen(function* () {
  const driver = yield* makeDriver
  const stuck: Array<SandboxInfo> = []
  let tries = 0
  let isAble = false
  const instead: Array<string | undefined> = []
  const of = (instanceId: string | undefined) =>
    stuck.find((info) => info.instanceId === instanceId)
  const refusing =
    <A, E extends { readonly _tag: string }>(
      call: (id: SandboxInfo["id"]) => Effect.Effect<A, E | SandboxNotFound>,
    ) =>
    (id: SandboxInfo["id"]) =>
      Effect.catchIf(
        call(id),
        (error) => error instanceof SandboxNotFound && stuck.some((info) => info.id === id),
        () => Effect.fail(quiet),
      )
  const host: Driver = silent({
    ...driver,
    create: (request, onProgress) => {
      instead.push(request.instead)
      return driver.create(request, onProgress)
    },
    list: (session) => Effect.map(driver.list(session), (infos) => [...stuck, ...infos]),
    inspect: refusing(driver.inspect),
    stop: refusing(driver.stop),
    remove: (id, instanceId) =>
      Effect.suspend((): Effect.Effect<void, HostError | SandboxNotFound> => {
        const found = of(instanceId)
        if (found === undefined) return driver.remove(id, instanceId)
        tries += 1
        if (!isAble) return Effect.fail(quiet)
        stuck.splice(stuck.indexOf(found), 1)
        return Effect.void
      }),
  })
  return {
    host,
    driver,
    instead,
    /** How often the host was asked to remove what it can't. */
    tries: () => tries,
    /** From now on the host can't end it. */
    jam: (info: SandboxInfo) =>
      Effect.andThen(
        driver.remove(info.id),
        Effect.sync(() => void stuck.push(info)),
      ),
    /** The host can end it again. */
    free: () => {
      isAble = true
    },
    left: () => stuck.length,
  }
})

const lasting = { idleTimeout: "5 hours", removeTimeout: "10 hours" } as const

for (const { name, open } of storages) {
  describe(`a sandbox that its host can't end, with leases in ${name}`, () => {
    const stage = Effect.gen(function* () {
      const host = yield* makeHost
      const stores = yield* open
      const start = (settings = {}) =>
        Effect.flatMap(stores, (store) => startProcess(host.host, store, settings))
      return { ...host, start }
    })

    it.effect("is refused and unlisted once its removal has failed, and its name is free", () =>
      Effect.gen(function* () {
        const { start, jam, instead, tries } = yield* stage
        const { session } = yield* start()
        const old = yield* session.create({ name: "a" })
        yield* jam(old.info)
        const error = yield* Effect.flip(old.remove)
        assert.deepStrictEqual(
          [error._tag, error instanceof SandboxCondemned && error.sandbox],
          ["SandboxCondemned", old.id],
        )
        const { message } = error
        assert.match(message, /can't be used any more.*Create another one/)
        const asked = tries()
        const later = [
          old.remove,
          old.stop,
          old.start,
          old.inspect,
          old.exec("true"),
          old.files.read("x"),
          old.stats,
        ]
        for (const call of later) {
          assert.strictEqual(
            (yield* Effect.flip<unknown, { _tag: string }, never>(call))._tag,
            "SandboxCondemned",
          )
        }
        assert.strictEqual(tries(), asked, "nobody asks the host to remove it once more")
        assert.deepStrictEqual(yield* session.list, [])
        assert.instanceOf(yield* Effect.flip(session.get("a")), SandboxNotFound)
        const fresh = yield* session.create({ name: "a" })
        assert.deepStrictEqual(instead, [undefined, old.info.instanceId])
        assert.strictEqual((yield* fresh.exec("echo new")).stdout, "new\n")
        assert.strictEqual((yield* Effect.flip(old.exec("true")))._tag, "SandboxCondemned")
        assert.deepStrictEqual(
          (yield* session.list).map(({ instanceId }) => instanceId),
          [fresh.info.instanceId],
        )
        yield* fresh.remove
        assert.deepStrictEqual(yield* session.list, [])
      }).pipe(Effect.scoped),
    )

    it.effect("is removed by any process's reaper as soon as the host can, and tried rarely", () =>
      Effect.gen(function* () {
        const { start, jam, free, left, tries } = yield* stage
        const { session } = yield* start(lasting)
        const old = yield* session.create({ name: "a" })
        yield* jam(old.info)
        yield* Effect.flip(old.remove)
        yield* session.create({ name: "a" })
        const { session: another } = yield* start(lasting)
        assert.strictEqual((yield* another.list).length, 1)
        yield* pass(60)
        assert.isAbove(tries(), 3)
        assert.isBelow(tries(), 20)
        free()
        yield* pass(11)
        assert.deepStrictEqual([left(), (yield* another.list).length], [0, 1])
        const tried = tries()
        yield* pass(60)
        assert.strictEqual(tries(), tried)
      }).pipe(Effect.scoped),
    )

    it.effect("is condemned by a use that finds it unresponsive", () =>
      Effect.gen(function* () {
        const { start, jam } = yield* stage
        const { session } = yield* start()
        const old = yield* session.create({ name: "a" })
        yield* jam(old.info)
        assert.strictEqual((yield* Effect.flip(old.stop))._tag, "SandboxCondemned")
        assert.deepStrictEqual(yield* session.list, [])
        yield* session.create({ name: "a" })
      }).pipe(Effect.scoped),
    )

    it.effect("counts for the quotas until it is removed", () =>
      Effect.gen(function* () {
        const { start, jam, free } = yield* stage
        const { session } = yield* start({ maxSandboxes: 1 })
        const old = yield* session.create({ name: "a" })
        yield* jam(old.info)
        yield* Effect.flip(old.remove)
        assert.instanceOf(yield* Effect.flip(session.create({ name: "a" })), QuotaExceeded)
        free()
        yield* pass(2)
        yield* session.create({ name: "a" })
      }).pipe(Effect.scoped),
    )
  })
}

describe("a sandbox that its host could not end", () => {
  const [memory] = storages
  it.effect("is recognised by a later program, since a newer sandbox has its name", () =>
    Effect.gen(function* () {
      assert(memory !== undefined)
      const { host, jam, free, left, tries } = yield* makeHost
      const first = yield* Effect.flatMap(yield* memory.open, (store) => startProcess(host, store))
      const old = yield* first.session.create({ name: "a" })
      yield* jam(old.info)
      yield* Effect.flip(old.remove)
      const fresh = yield* first.session.create({ name: "a" })
      const later = yield* Effect.flatMap(yield* memory.open, (store) => startProcess(host, store))
      const found = yield* later.session.get("a")
      assert.strictEqual(found.info.instanceId, fresh.info.instanceId)
      assert.strictEqual((yield* found.exec("echo on")).stdout, "on\n")
      yield* settle
      const before = tries()
      yield* pass(1)
      assert.isAbove(tries(), before)
      free()
      yield* pass(2)
      assert.deepStrictEqual([left(), (yield* later.session.list).length], [0, 1])
    }).pipe(Effect.scoped),
  )
})

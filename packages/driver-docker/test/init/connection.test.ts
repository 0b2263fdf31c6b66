import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import type { Channel, Final } from "../../src/init/Channel.ts"
import { InitConnection } from "../../src/init/InitConnection.ts"
import { runRequest } from "../../src/init/requests.ts"
import { bootId, closed, credit, data, end, FakeInit, from, hello, opened, to } from "./fakeInit.ts"

const request = runRequest({ argv: ["true"], cwd: "/" }, true)

const connect = Effect.gen(function* () {
  const init = new FakeInit()
  const connection = yield* InitConnection.make(init.stream, 60)
  return { init, connection }
})
const greeted = Effect.tap(connect, ({ init }) => Effect.sync(() => init.say(hello())))

/** All output until the end, which is the last element. */
const drain = Effect.fnUntraced(function* (channel: Channel) {
  let output = ""
  for (;;) {
    const next = yield* channel.next
    if (next === "output ended") continue
    if ("timedOut" in next) return { output, final: next }
    for (const { bytes } of next) output += Buffer.from(bytes).toString()
  }
})

const exited = (value: number): Final => ({
  ending: { how: "exited", value, stage: "none", oomKilled: false },
  timedOut: false,
})
/** Lets what was said in this turn be written. */
const turn = Effect.promise(() => Promise.resolve())

describe("InitConnection", () => {
  it.effect("greets and opens the first channel with one write", () =>
    Effect.gen(function* () {
      const { init, connection } = yield* connect
      const channel = yield* connection.open(request)
      yield* channel.write(Buffer.from("input"))
      channel.end()
      yield* turn
      assert.strictEqual(init.writes, 1)
      assert.deepStrictEqual(
        init.frames.map(({ type }) => type),
        [to.hello, to.open, to.data, to.end],
      )
      init.say(hello(), closed(1))
    }).pipe(Effect.scoped),
  )

  it.effect("reports the boot ID", () =>
    Effect.gen(function* () {
      const { connection } = yield* greeted
      assert.strictEqual((yield* connection.hello).bootId, bootId.toString("hex"))
    }).pipe(Effect.scoped),
  )

  it.effect("passes on a channel's output and end in order", () =>
    Effect.gen(function* () {
      const { init, connection } = yield* greeted
      const channel = yield* connection.open(request)
      init.say(opened(1, 77), data(1, 1, "out"), data(1, 2, "err"), closed(1, 3))
      assert.deepStrictEqual(yield* channel.started, { pid: 77, takesInput: true })
      assert.deepStrictEqual(yield* drain(channel), { output: "outerr", final: exited(3) })
    }).pipe(Effect.scoped),
  )

  it.effect("reuses a channel's number once it has ended", () =>
    Effect.gen(function* () {
      const { init, connection } = yield* greeted
      const first = yield* connection.open(request)
      init.say(closed(1))
      const second = yield* connection.open(request)
      assert.deepStrictEqual([first.number, second.number], [1, 1])
      init.say(closed(1))
    }).pipe(Effect.scoped),
  )

  const faults: ReadonlyArray<readonly [string, (init: FakeInit) => void]> = [
    ["a frame before its greeting", (init) => init.say(opened(1))],
    ["a second greeting", (init) => init.say(hello(), hello())],
    ["a frame for a channel that never was", (init) => init.say(hello(), opened(9))],
    ["a channel that opens twice", (init) => init.say(hello(), opened(1), opened(1))],
    ["a channel that closes twice", (init) => init.say(hello(), closed(1), closed(1))],
    ["output after the end", (init) => init.say(hello(), closed(1), data(1, 1, "x"))],
    ["the end of an output that has none", (init) => init.say(hello(), end(1))],
    ["a position of no log", (init) => init.say(hello(), data(1, 0, "12345678"))],
    [
      "more output than its credit allows",
      (init) => {
        init.say(hello())
        for (let n = 0; n < 5; n++) init.say(data(1, 1, new Uint8Array(65_000)))
      },
    ],
    [
      "an answer to no ping",
      (init) =>
        init.say({ type: from.pong, channel: 0, payload: Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]) }),
    ],
    [
      "no frames at all",
      (init) => init.sayBytes(Buffer.from("exec /init: no such file or directory")),
    ],
  ]
  for (const [name, misbehave] of faults) {
    it.effect(`drops the connection and fails all calls after ${name}`, () =>
      Effect.gen(function* () {
        const { init, connection } = yield* connect
        const channels = [yield* connection.open(request), yield* connection.open(request)]
        misbehave(init)
        assert.isTrue(init.isClosed)
        assert.isFalse(init.isHeard)
        const error = yield* connection.lost
        assert.deepInclude(error, { _tag: "InitLost", why: "fault" })
        for (const channel of channels.slice(1)) {
          assert.deepInclude(yield* Effect.flip(drain(channel)), { _tag: "InitLost", why: "fault" })
        }
        const late = yield* Effect.flip(connection.open(request))
        assert.deepInclude(late, { why: "fault", delivered: "never" })
      }).pipe(Effect.scoped),
    )
  }

  it.effect("quotes a line of text that comes in place of a greeting", () =>
    Effect.gen(function* () {
      const { init, connection } = yield* connect
      init.sayBytes(Buffer.from("OCI runtime exec failed: no processes left\r\n"))
      assert.deepInclude(yield* Effect.flip(connection.hello), {
        why: "fault",
        detail: 'it sent "OCI runtime exec failed: no processes left"',
      })
    }).pipe(Effect.scoped),
  )

  it.effect("refuses an init of another version", () =>
    Effect.gen(function* () {
      const { init, connection } = yield* connect
      init.say(hello(2))
      assert.deepInclude(yield* Effect.flip(connection.hello), { why: "version" })
    }).pipe(Effect.scoped),
  )

  it.effect("fails calls when the init closes the connection", () =>
    Effect.gen(function* () {
      const { init, connection } = yield* greeted
      const channel = yield* connection.open(request)
      const output = yield* Effect.forkChild(Effect.flip(drain(channel)), {
        startImmediately: true,
      })
      init.end()
      assert.deepInclude(yield* Fiber.join(output), { why: "ended" })
    }).pipe(Effect.scoped),
  )

  it.effect("pings every 5 seconds, and drops an init that is silent for 30", () =>
    Effect.gen(function* () {
      const { init, connection } = yield* greeted
      init.answer = (frame) => {
        if (frame.type === to.ping) init.say({ ...frame, type: from.pong })
      }
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(init.of(to.ping).length, 120)
      assert.isTrue(connection.isOpen)
      init.answer = () => {}
      yield* TestClock.adjust("30 seconds")
      assert.isTrue(connection.isOpen)
      yield* TestClock.adjust("5 seconds")
      assert.deepInclude(yield* connection.lost, { why: "silent" })
    }).pipe(Effect.scoped),
  )

  it.effect("closes the stream with its scope, and fails running calls", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { init, connection } = yield* Scope.provide(greeted, scope)
      const channel = yield* connection.open(request)
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(init.isClosed)
      assert.deepInclude(yield* Effect.flip(drain(channel)), { why: "closed" })
    }).pipe(Effect.scoped),
  )

  it.effect("refuses a request that is larger than a frame", () =>
    Effect.gen(function* () {
      const { init, connection } = yield* greeted
      const tooLong = runRequest({ argv: ["echo", "x".repeat(2 ** 20)], cwd: "/" }, false)
      assert.deepInclude(yield* Effect.flip(connection.open(tooLong)), { _tag: "InvalidInput" })
      const nul = runRequest({ argv: ["a\0b"], cwd: "/" }, false)
      assert.deepInclude(yield* Effect.flip(connection.open(nul)), { _tag: "InvalidInput" })
      yield* turn
      assert.strictEqual(init.of(to.open).length, 0)
    }).pipe(Effect.scoped),
  )
})

describe("a connection that fell silent", () => {
  const answering = (init: FakeInit) => {
    init.answer = (frame) => {
      if (frame.type === to.ping) init.say({ ...frame, type: from.pong })
    }
  }

  it.effect("is doubtful once a ping was not answered, and not before", () =>
    Effect.gen(function* () {
      const { init, connection } = yield* greeted
      answering(init)
      for (let second = 0; second < 60; second++) {
        yield* TestClock.adjust("1 second")
        assert.isFalse(connection.isDoubtful)
      }
      init.answer = () => {}
      yield* TestClock.adjust("5.9 seconds")
      assert.isFalse(connection.isDoubtful)
      yield* TestClock.adjust("0.1 seconds")
      assert.isTrue(connection.isDoubtful)
    }).pipe(Effect.scoped),
  )

  it.effect("does not become doubtful while its sandbox is paused", () =>
    Effect.gen(function* () {
      const { connection } = yield* greeted
      connection.freeze()
      yield* TestClock.adjust("1 minute")
      assert.isFalse(connection.isDoubtful)
    }).pipe(Effect.scoped),
  )

  it.effect("is proved alive by the answer to a new ping, not to an earlier one", () =>
    Effect.gen(function* () {
      const { init, connection } = yield* greeted
      yield* TestClock.adjust("10 seconds")
      const proving = yield* Effect.forkChild(connection.proved, { startImmediately: true })
      const another = yield* Effect.forkChild(connection.proved, { startImmediately: true })
      yield* turn
      const pongs = init.of(to.ping).map((frame) => ({ ...frame, type: from.pong }))
      init.say(...pongs.slice(0, -1))
      assert.isUndefined(proving.pollUnsafe())
      init.say(...pongs.slice(-1))
      assert.deepStrictEqual([yield* Fiber.join(proving), yield* Fiber.join(another)], [true, true])
      assert.isFalse(connection.isDoubtful)
      assert.strictEqual(pongs.length, 3)
    }).pipe(Effect.scoped),
  )

  it.effect("is not proved alive after three silent seconds or when it ends", () =>
    Effect.gen(function* () {
      const { init, connection } = yield* greeted
      const silent = yield* Effect.forkChild(connection.proved, { startImmediately: true })
      yield* TestClock.adjust("3 seconds")
      assert.isFalse(yield* Fiber.join(silent))
      const ended = yield* Effect.forkChild(connection.proved, { startImmediately: true })
      init.end()
      assert.isFalse(yield* Fiber.join(ended))
      assert.isFalse(yield* connection.proved)
    }).pipe(Effect.scoped),
  )

  it.effect("reports for each running call whether it had been delivered", () =>
    Effect.gen(function* () {
      const { init, connection } = yield* greeted
      const begun = yield* connection.open(request)
      const sent = yield* connection.open(request)
      yield* turn
      init.say(opened(1))
      const unsent = yield* connection.open(request)
      init.say(hello())
      const outcomes = [
        [begun, "yes"],
        [sent, "perhaps"],
        [unsent, "never"],
      ] as const
      for (const [channel, delivered] of outcomes) {
        assert.deepInclude(yield* Effect.flip(drain(channel)), { _tag: "InitLost", delivered })
      }
    }).pipe(Effect.scoped),
  )
})

describe("a channel that is killed", () => {
  it.effect("ends with the init's report", () =>
    Effect.gen(function* () {
      const { init, connection } = yield* greeted
      init.answer = ({ type, channel }) => {
        if (type === to.kill) init.say(closed(channel, 9, 1))
      }
      const channel = yield* connection.open(request, { timeout: 1000 })
      const output = yield* Effect.forkChild(drain(channel), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      const { final } = yield* Fiber.join(output)
      assert.deepInclude(final, { timedOut: true })
      assert.deepInclude(final.ending, { how: "signalled", value: 9 })
    }).pipe(Effect.scoped),
  )

  it.effect("ends after its grace when the init is silent, and its number is not reused", () =>
    Effect.gen(function* () {
      const { init, connection } = yield* greeted
      const channel = yield* connection.open(request, { timeout: 1000 })
      const output = yield* Effect.forkChild(drain(channel), { startImmediately: true })
      yield* TestClock.adjust("2.9 seconds")
      assert.isUndefined(output.pollUnsafe())
      yield* TestClock.adjust("0.1 seconds")
      assert.deepStrictEqual((yield* Fiber.join(output)).final, {
        ending: undefined,
        timedOut: true,
        delivered: "perhaps",
      })
      const next = yield* connection.open(request)
      assert.strictEqual(next.number, 2)
      init.say(data(1, 1, "late"), credit(1, 5), closed(1))
      assert.isTrue(connection.isOpen)
      init.say(closed(1))
      assert.isFalse(connection.isOpen)
    }).pipe(Effect.scoped),
  )

  it.effect("counts as unanswered only when the init answers something else meanwhile", () =>
    Effect.gen(function* () {
      const { init, connection } = yield* greeted
      yield* connection.open(request, { timeout: 1000 })
      const unanswered = yield* Effect.forkChild(connection.unanswered, { startImmediately: true })
      assert.isTrue(connection.isSettled)
      yield* TestClock.adjust("10 seconds")
      assert.isFalse(connection.isSettled)
      assert.isUndefined(unanswered.pollUnsafe())
      // An engine that hung goes on: the init hears of it and of all pings at once.
      for (const { payload } of init.of(to.ping)) init.say({ type: from.pong, channel: 0, payload })
      yield* TestClock.adjust("1.9 seconds")
      assert.isUndefined(unanswered.pollUnsafe())
      yield* TestClock.adjust("0.1 seconds")
      yield* Fiber.join(unanswered)
      init.say(closed(1))
      yield* connection.settled
      assert.isTrue(connection.isSettled)
      assert.isUndefined(
        (yield* Effect.forkChild(connection.unanswered, { startImmediately: true })).pollUnsafe(),
      )
    }).pipe(Effect.scoped),
  )

  it.effect("is killed when its scope closes, which does not wait for a silent init", () =>
    Effect.gen(function* () {
      const { init, connection } = yield* greeted
      const leaving = yield* Effect.forkChild(Effect.scoped(connection.open(request)), {
        startImmediately: true,
      })
      yield* turn
      assert.strictEqual(init.of(to.kill).length, 1)
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(leaving)
    }).pipe(Effect.scoped),
  )

  it.effect("has its input ended before the kill when it has work to undo", () =>
    Effect.gen(function* () {
      const { init, connection } = yield* greeted
      const leaving = yield* Effect.forkChild(
        Effect.scoped(connection.open(request, { takesBack: 1000 })),
        { startImmediately: true },
      )
      yield* turn
      assert.deepStrictEqual([init.of(to.end).length, init.of(to.kill).length], [1, 0])
      yield* TestClock.adjust("1 second")
      assert.strictEqual(init.of(to.kill).length, 1)
      init.say(closed(1, 9, 1))
      yield* Fiber.join(leaving)
    }).pipe(Effect.scoped),
  )
})

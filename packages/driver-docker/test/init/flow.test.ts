import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Latch, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import { InitConnection } from "../../src/init/InitConnection.ts"
import { runRequest } from "../../src/init/requests.ts"
import { type RunEvent, run } from "../../src/init/run.ts"
import { closed, credit, data, FakeInit, hello, opened, to } from "./fakeInit.ts"

const command = { argv: ["cat"], cwd: "/" }
const request = runRequest(command, true)
const early = 16 * 1024
const window = 256 * 1024

/** An init that ends what is killed. */
const greeted = Effect.gen(function* () {
  const init = new FakeInit()
  init.answer = ({ type, channel }) => {
    if (type === to.kill) init.say(closed(channel, 9, 1))
  }
  const connection = yield* InitConnection.make(init.stream)
  init.say(hello())
  return { init, connection }
})
/** Lets fibers and what they wrote get through. */
const settle = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

const exitOf = (events: ReadonlyArray<RunEvent>) => {
  const last = events.at(-1)
  return last?._tag === "Exit" ? last : undefined
}

describe("flow control", () => {
  it.effect("blocks the writer whose credit is used up, and no other", () =>
    Effect.gen(function* () {
      const { init, connection } = yield* greeted
      const first = yield* connection.open(request)
      const second = yield* connection.open(request)
      const bytes = new Uint8Array(1024 * 1024)
      const blocked = yield* Effect.forkChild(first.write(bytes), { startImmediately: true })
      init.say(opened(2, 42, 2 * bytes.length))
      yield* second.write(bytes)
      yield* settle
      assert.strictEqual(init.input(1).length, early)
      assert.strictEqual(init.input(2).length, bytes.length)
      init.say(opened(1, 42, early), credit(1, 1000))
      yield* settle
      assert.strictEqual(init.input(1).length, early + 1000)
      init.say(closed(1))
      yield* Fiber.join(blocked)
    }).pipe(Effect.scoped),
  )

  it.effect("does not use a large piece of input after the connection has written it", () =>
    Effect.gen(function* () {
      const init = new FakeInit()
      const taken = Latch.makeUnsafe(false)
      const connection = yield* InitConnection.make({
        ...init.stream,
        write: (pieces) => Effect.andThen(taken.await, init.stream.write(pieces)),
      })
      init.say(hello())
      const channel = yield* connection.open(request)
      const bytes = new Uint8Array(200 * 1024).fill(1)
      init.say(opened(1, 42, bytes.length))
      const writing = yield* Effect.forkChild(
        Effect.andThen(
          channel.write(bytes),
          Effect.sync(() => bytes.fill(2)),
        ),
        { startImmediately: true },
      )
      yield* settle
      assert.isUndefined(writing.pollUnsafe())
      taken.openUnsafe()
      yield* Fiber.join(writing)
      assert.isTrue(init.input(1).every((byte) => byte === 1))
      assert.strictEqual(init.input(1).length, bytes.length)
      init.say(closed(1))
    }).pipe(Effect.scoped),
  )

  it.effect("grants credit for output as it is read, per channel", () =>
    Effect.gen(function* () {
      const { init, connection } = yield* greeted
      yield* connection.open(request)
      const taken = yield* connection.open(request)
      const piece = new Uint8Array(32 * 1024)
      for (let n = 0; n < window / piece.length; n++) init.say(data(1, 1, piece))
      for (let round = 0; round < 50; round++) {
        init.say(data(2, 1, piece), data(2, 2, piece))
        yield* taken.next
      }
      yield* settle
      assert.strictEqual(init.granted(1), 0)
      assert.isAtMost(init.granted(2), 100 * piece.length)
      assert.isAtLeast(init.granted(2), 100 * piece.length - window / 4)
      assert.isTrue(connection.isOpen)
      init.say(data(1, 1, "x"))
      assert.isFalse(connection.isOpen)
    }).pipe(Effect.scoped),
  )

  it.effect("grants no more than the call's limit", () =>
    Effect.gen(function* () {
      const { init, connection } = yield* greeted
      const channel = yield* connection.open(request, { limit: 100, window: 40 })
      for (const size of [40, 40, 20]) {
        init.say(data(1, 1, new Uint8Array(size)))
        yield* channel.next
      }
      yield* settle
      assert.strictEqual(init.granted(1), 60)
      init.say(data(1, 1, "x"))
      assert.deepInclude(yield* connection.lost, { why: "fault" })
    }).pipe(Effect.scoped),
  )

  it("sends input of any length, however credit arrives", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 100_000 }), { maxLength: 8 }),
        fc.integer({ min: 1, max: 200_000 }),
        fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1 }),
        (sizes, first, grants) =>
          Effect.gen(function* () {
            const { init, connection } = yield* greeted
            const pieces = sizes.map((size, n) => new Uint8Array(size).fill(n + 1))
            const total = sizes.reduce((sum, size) => sum + size, 0)
            const events = yield* Effect.forkChild(
              Stream.runCollect(
                run(connection, { ...command, stdin: Stream.fromIterable(pieces) }),
              ),
              { startImmediately: true },
            )
            let granted = Math.max(first, early)
            init.say(opened(1, 42, granted))
            for (let n = 0; init.of(to.end).length === 0; n++) {
              yield* settle
              assert.isAtMost(init.input(1).length, granted)
              // Byte by byte would take minutes.
              const more = n < 50 ? (grants[n % grants.length] ?? 1) : total
              granted += more
              init.say(credit(1, more))
            }
            init.say(closed(1))
            assert.deepInclude(exitOf(yield* Fiber.join(events)), { exitCode: 0 })
            assert.strictEqual(init.input(1).length, total)
            assert.isTrue(init.input(1).equals(Buffer.concat(pieces)))
          }).pipe(Effect.scoped, Effect.runPromise),
      ),
      { numRuns: 30 },
    ))
})

describe("a command", () => {
  it.effect("ends at its timeout when the init is silent, and reports that", () =>
    Effect.gen(function* () {
      const { init, connection } = yield* greeted
      init.answer = () => {}
      const events = yield* Effect.forkChild(
        Stream.runCollect(run(connection, { ...command, timeout: 5000 })),
        { startImmediately: true },
      )
      init.say(data(1, 1, "before"))
      yield* TestClock.adjust("7 seconds")
      const [output, exit] = yield* Fiber.join(events)
      assert.deepInclude(output, { _tag: "Stdout" })
      assert.deepStrictEqual(exit, {
        _tag: "Exit",
        exitCode: 137,
        timedOut: true,
        oomKilled: false,
        unanswered: true,
      })
    }).pipe(Effect.scoped),
  )

  it.effect("is killed when its stream is interrupted, also when nobody reads its output", () =>
    Effect.gen(function* () {
      const { init, connection } = yield* greeted
      const running = yield* Effect.forkChild(
        Stream.runForEach(run(connection, command), () => Effect.never),
        { startImmediately: true },
      )
      init.say(opened(1), data(1, 1, new Uint8Array(60_000)))
      yield* settle
      yield* Fiber.interrupt(running)
      assert.strictEqual(init.of(to.kill).length, 1)
      assert.isTrue(connection.isOpen)
    }).pipe(Effect.scoped),
  )

  it.effect("has the exit code of its signal, and reports a lack of memory", () =>
    Effect.gen(function* () {
      const { init, connection } = yield* greeted
      const events = yield* Effect.forkChild(Stream.runCollect(run(connection, command)), {
        startImmediately: true,
      })
      init.say(opened(1), closed(1, 9, 1, 0, 1))
      assert.deepInclude(exitOf(yield* Fiber.join(events)), { exitCode: 137, oomKilled: true })
    }).pipe(Effect.scoped),
  )
})

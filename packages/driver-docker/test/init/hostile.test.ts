import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import * as archives from "../../src/init/archives.ts"
import * as files from "../../src/init/files.ts"
import * as folders from "../../src/init/folders.ts"
import { InitConnection } from "../../src/init/InitConnection.ts"
import { dial } from "../../src/init/ports.ts"
import * as processes from "../../src/init/processes.ts"
import { run } from "../../src/init/run.ts"
import * as fake from "./fakeInit.ts"

const channel = fc.integer({ min: 1, max: 10 })
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 60 }),
  fc.nat({ max: 65_000 }).map((size) => new Uint8Array(size)),
)
const anyFrame: fc.Arbitrary<fake.Frame> = fc.oneof(
  fc.tuple(channel, fc.nat(), fc.nat()).map(([at, pid, count]) => fake.opened(at, pid, count)),
  fc
    .tuple(channel, fc.integer({ min: 1, max: 2 }), bytes)
    .map(([at, stream, output]) => fake.data(at, stream, output)),
  fc.tuple(channel, fc.nat()).map(([at, position]) => fake.position(at, position)),
  fc.tuple(channel, fc.nat()).map(([at, count]) => fake.credit(at, count)),
  channel.map(fake.end),
  fc
    .tuple(channel, fc.integer({ min: 1, max: 64 }), fc.nat({ max: 3 }), fc.nat({ max: 7 }))
    .map(([at, value, how, stage]) => fake.closed(at, value, how, stage)),
)

/** One call of each kind, and what they come to. */
const calls = (connection: InitConnection) => {
  const actor = { connection, patience: 10_000 }
  const command = { argv: ["x"], cwd: "/", timeout: 10_000 }
  const stdin = Stream.make(new Uint8Array(100_000))
  const attached = Effect.flatMap(processes.attach(connection, "job"), ({ events }) =>
    Stream.runDrain(events),
  )
  const dialled = Effect.flatMap(dial(connection, 80), ({ output }) => Stream.runDrain(output))
  return [
    Stream.runDrain(run(connection, command)),
    Stream.runDrain(run(connection, { ...command, stdin })),
    files.stat(actor, "/x"),
    Stream.runDrain(folders.list(actor, "/x")),
    Stream.runDrain(files.read(actor, "/x")),
    files.write(actor, "/x", { bytes: stdin, size: 100_000 }),
    Stream.runDrain(archives.pack(actor, "/x")),
    processes.list(connection),
    processes.usage(connection),
    processes.keep(connection, { name: "job", description: "" }, command, true),
    processes.forget(connection, "job", { grace: 1000 }),
    Effect.timeoutOption(Effect.scoped(attached), 10_000),
    Effect.timeoutOption(Effect.scoped(dialled), 10_000),
  ]
}

/** Makes all calls against an init that says this, and looks at how they end. */
const face = (say: (init: fake.FakeInit) => Effect.Effect<void>) =>
  Effect.gen(function* () {
    const init = new fake.FakeInit()
    const connection = yield* InitConnection.make(init.stream)
    const made = yield* Effect.forEach(calls(connection), (call: Effect.Effect<unknown, unknown>) =>
      Effect.forkChild(Effect.exit(call), { startImmediately: true }),
    )
    yield* say(init)
    yield* TestClock.adjust("2 minutes")
    for (const call of made) {
      const exit = yield* Fiber.join(call)
      if (Exit.isFailure(exit)) {
        const [reason] = exit.cause.reasons
        assert.strictEqual(reason?._tag, "Fail", Cause.pretty(exit.cause))
      }
    }
    if (!connection.isOpen) {
      assert.isTrue(init.isClosed)
      assert.isFalse(connection.isOpen)
    }
  }).pipe(Effect.scoped, Effect.provide(TestClock.layer()), Effect.runPromise)

describe("a hostile init", () => {
  it("can't keep a call from ending, whatever bytes it sends", () =>
    fc.assert(
      fc.asyncProperty(fc.boolean(), fc.uint8Array({ maxLength: 300 }), (greets, noise) =>
        face((init) =>
          Effect.sync(() => {
            if (greets) init.say(fake.hello())
            init.sayBytes(noise)
          }),
        ),
      ),
      { numRuns: 50 },
    ))

  it("can't keep a call from ending, whatever frames it sends in whatever order", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(anyFrame, { maxLength: 60 }),
        fc.integer({ min: 1, max: 5000 }),
        (frames, size) =>
          face((init) =>
            Effect.gen(function* () {
              init.say(fake.hello())
              const wire = Buffer.concat(frames.map(fake.encode))
              for (let at = 0; at < wire.length; at += size) {
                init.sayBytes(wire.subarray(at, at + size))
                if (at % 3 === 0) yield* Effect.yieldNow
              }
            }),
          ),
      ),
      { numRuns: 150 },
    ))

  it("can't keep a call from ending by sending a byte each second and no end", () =>
    face((init) =>
      Effect.gen(function* () {
        init.say(fake.hello())
        for (let second = 0; second < 120; second++) {
          for (let at = 1; at <= 10; at++) {
            if (init.isHeard && init.of(fake.to.kill).every(({ channel }) => channel !== at)) {
              init.say(fake.data(at, 1, "\0"))
            }
          }
          yield* TestClock.adjust("1 second")
        }
      }),
    ))

  it("can't fill memory with output that nobody reads", () =>
    Effect.gen(function* () {
      const init = new fake.FakeInit()
      const connection = yield* InitConnection.make(init.stream)
      init.say(fake.hello())
      const command = { argv: ["yes"], cwd: "/" }
      yield* Effect.forkChild(
        Stream.runForEach(run(connection, command), () => Effect.never),
        { startImmediately: true },
      )
      const piece = fake.encode(fake.data(1, 1, new Uint8Array(1000)))
      let sent = 0
      while (init.isHeard && sent < 2000) {
        init.sayBytes(Buffer.from(piece))
        sent++
      }
      assert.isBelow(sent, 300)
      assert.deepInclude(yield* connection.lost, { why: "fault" })
    }).pipe(Effect.scoped, Effect.runPromise))
})

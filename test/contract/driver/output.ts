import { collectOutput, SandboxDriver } from "@cordon/core"
import { assert, describe } from "@effect/vitest"
import { Duration, Effect, Stream } from "effect"
import { bytesOf, type DriverStage, exec, out, outBytes, readBytes, write } from "./stage.ts"

/** What goes into a command, and what comes out of it. */
export const outputContract = ({ check, make, lacks }: DriverStage) =>
  describe("input and output", () => {
    check("standard input reaches a command, and one that does not read it ends too", () =>
      Effect.gen(function* () {
        const id = yield* make()
        const of = (bytes: Uint8Array) => ({ stdin: Stream.succeed(bytes) })
        assert.strictEqual(yield* out(id, "cat", of(bytesOf("héllo\n"))), "héllo\n")
        assert.strictEqual(yield* out(id, "cat; echo end", of(new Uint8Array())), "end\n")
        assert.strictEqual(yield* out(id, "cat"), "")
        const large = Buffer.alloc(1024 * 1024, "0123456789abcdef")
        assert.strictEqual((yield* out(id, "wc -c", of(large))).trim(), String(large.length))
        assert.strictEqual(yield* out(id, "echo done", of(large)), "done\n")
      }),
    )

    check(
      "stdout carries every value of a byte",
      () =>
        Effect.gen(function* () {
          const id = yield* make()
          const all = Uint8Array.from({ length: 256 }, (_, n) => n)
          yield* write(id, "/work/all", all)
          const bytes = yield* outBytes(id, "cat /work/all")
          assert.deepStrictEqual([...bytes], [...all])
        }),
      lacks.binaryOutput,
    )

    check("bytes that are not UTF-8 survive a script's output and redirections", () =>
      Effect.gen(function* () {
        const id = yield* make()
        const script =
          "printf '\\357\\273\\277b\\377' >f; cat f; { cat f; } >g; cat g; printf '\\376'"
        const printed = yield* outBytes(id, script)
        const once = "efbbbf62ff"
        assert.strictEqual(printed.toString("hex"), `${once}${once}fe`)
        for (const path of ["/work/f", "/work/g"]) {
          assert.strictEqual((yield* readBytes(id, path)).toString("hex"), once)
        }
      }),
    )

    check(
      "a command does not wait for background processes that hold its output",
      () =>
        Effect.gen(function* () {
          const id = yield* make()
          const result = yield* exec(id, "echo before; sleep 1000 & echo after", {
            timeout: Duration.seconds(20),
          })
          assert.strictEqual(result.stdout, "before\nafter\n")
          assert.isFalse(result.timedOut)
          assert.strictEqual(result.exitCode, 0)
          const chatty = yield* exec(id, "(while :; do echo noise; done) & echo main >&2", {
            timeout: Duration.seconds(20),
          })
          assert.isFalse(chatty.timedOut)
          assert.include(chatty.stderr, "main")
        }),
      lacks.processes,
    )

    check(
      "10 MB of output arrive whole, and 200 MB are counted in bounded memory",
      () =>
        Effect.gen(function* () {
          const id = yield* make()
          const driver = yield* SandboxDriver
          const flood = (bytes: number) =>
            driver.exec(id, { command: `head -c ${bytes} /dev/zero | tr '\\0' x` })
          const ten = yield* collectOutput(flood(10_000_000), 20_000_000)
          assert.strictEqual(ten.stdout, "x".repeat(10_000_000))
          const before = process.memoryUsage.rss()
          let peak = 0
          const watched = Stream.tap(flood(200_000_000), () =>
            Effect.sync(() => {
              peak = Math.max(peak, process.memoryUsage.rss() - before)
            }),
          )
          const result = yield* collectOutput(watched, 100_000)
          assert.strictEqual(result.stdoutBytes, 200_000_000)
          assert.isTrue(result.truncated)
          assert.match(result.stdout, /^x+\n\[\.\.\. \d+ bytes cut \.\.\.\]\nx+$/)
          assert.isBelow(peak, 150 * 1024 ** 2)
        }),
      lacks.floods,
    )
  })

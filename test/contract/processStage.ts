import { type BackgroundProcess, type Sandbox, Sandboxes, type SandboxSession } from "@cordon/core"
import { Context, Effect, Layer, Schedule, Stream } from "effect"

let counter = 0

/** A fresh sandbox in a session of its own, removed with the test, and other programs that use it. */
export const onStage = <E>(
  layer: Layer.Layer<Sandboxes, E>,
  create: Parameters<SandboxSession["create"]>[0] = {},
) =>
  Effect.gen(function* () {
    const sessionId = `processes-${process.pid}-${Date.now()}-${++counter}`
    const session = yield* (yield* Sandboxes).session(sessionId)
    const sandbox = yield* Sandboxes.scoped(session, { workdir: "/work", ...create })
    /** What another program does with the sandbox, over connections of its own that end with it. */
    const elsewhere = <A, E, R>(f: (sandbox: Sandbox) => Effect.Effect<A, E, R>) =>
      Effect.scoped(
        Effect.gen(function* () {
          const context = yield* Layer.build(Layer.fresh(layer))
          const session = yield* Context.get(context, Sandboxes).session(sessionId)
          return yield* f(yield* session.get(sandbox.name))
        }),
      )
    return { sandbox, elsewhere }
  })

/** Waits for what comes by itself; the test's own time bounds it. */
export const until = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
  Effect.repeat(condition, { schedule: Schedule.spaced("50 millis"), until: (met) => met })

export const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => error._tag)

/** How many processes of a sandbox have a command line that matches a basic regular expression. */
export const running = (sandbox: Sandbox, pattern: string) =>
  Effect.map(
    sandbox.run(
      `for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline 2>/dev/null | grep -q '${pattern}' && echo; done; true`,
    ),
    ({ stdout }) => stdout.length,
  )

/** Waits until a process has written this to its standard output, and no more. */
export const writes = (process: BackgroundProcess, text: string) =>
  until(Effect.map(process.logs(), ({ stdout }) => stdout === text))

/** All that following a process yields, from its start to its end: its output, and how much of it was lost. */
export const heard = (process: BackgroundProcess) =>
  Effect.map(Stream.runCollect(process.follow()), (events) => {
    const all = (tag: "Stdout" | "Stderr") =>
      Buffer.concat(events.flatMap((event) => (event._tag === tag ? [event.bytes] : []))).toString()
    const lost = events.flatMap((event) => (event._tag === "Lost" ? [event.bytes] : []))
    const last = events.at(-1)
    return {
      stdout: all("Stdout"),
      stderr: all("Stderr"),
      lost: lost.reduce((sum, bytes) => sum + bytes, 0),
      exitCode: last?._tag === "Exit" ? last.exitCode : undefined,
    }
  })

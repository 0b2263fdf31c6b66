import { type Sandbox, Sandboxes, type SandboxSession } from "@cordon/core"
import { Context, Effect, Layer } from "effect"

export type CreateOptions = NonNullable<Parameters<SandboxSession["create"]>[0]>

let sessions = 0
/** The ID of a session that no other test uses. */
export const freshSessionId = () => `test-${process.pid}-${Date.now()}-${++sessions}`

/** A session that no other test uses. */
export const freshSession = Effect.flatMap(Sandboxes, (sandboxes) =>
  sandboxes.session(freshSessionId()),
)

/** A sandbox in a session of its own, removed with the test. It works in `/work` unless told otherwise. */
export const makeSandbox = (create: CreateOptions = {}) =>
  Effect.flatMap(freshSession, (session) =>
    Sandboxes.scoped(session, { workdir: "/work", ...create }),
  )

/** As `makeSandbox`, with `elsewhere`, which runs what another program does with the sandbox. */
export const makeSharedSandbox = <E>(layer: Layer.Layer<Sandboxes, E>) =>
  Effect.gen(function* () {
    const sessionId = freshSessionId()
    const session = yield* (yield* Sandboxes).session(sessionId)
    const sandbox = yield* Sandboxes.scoped(session, { workdir: "/work" })
    /** The other program has connections of its own, which end with it. */
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

/** What a command writes to its standard output. */
export const out = (sandbox: Sandbox, command: string) =>
  Effect.map(sandbox.run(command), ({ stdout }) => stdout)

/** A script that writes an empty line for each process whose command line matches a basic regular expression. */
export const printMatches = (pattern: string) =>
  `for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline 2>/dev/null | grep -q '${pattern}' && echo; done; true`

/** How many processes of a sandbox have a command line that matches a basic regular expression. */
export const running = (sandbox: Sandbox, pattern: string) =>
  Effect.map(out(sandbox, printMatches(pattern)), (lines) => lines.length)

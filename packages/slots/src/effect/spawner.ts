import type { Sandbox } from "@cordon/core"
import { Effect, type PlatformError, type Scope, type Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { startCommand } from "./command.ts"
import { badArgument, type Place, platformError } from "./failure.ts"
import { inputConfig } from "./input.ts"

type Failure = PlatformError.PlatformError
type Handle = ChildProcessSpawner.ChildProcessHandle

const place: Place = { module: "ChildProcess", method: "spawn" }

/** A pipeline from left to right, each command with how it is piped into. */
const commandsOf = (
  command: ChildProcess.Command,
  options?: ChildProcess.PipeOptions,
): ReadonlyArray<readonly [ChildProcess.StandardCommand, ChildProcess.PipeOptions]> =>
  command._tag === "StandardCommand"
    ? [[command, options ?? {}]]
    : [...commandsOf(command.left, options), ...commandsOf(command.right, command.options)]

const sourceOf = (
  handle: Handle,
  { from = "stdout", to = "stdin" }: ChildProcess.PipeOptions,
): Effect.Effect<Stream.Stream<Uint8Array, Failure>, Failure> =>
  to === "stdin" && (from === "stdout" || from === "stderr" || from === "all")
    ? Effect.succeed(handle[from])
    : Effect.fail(
        badArgument(
          place,
          "A sandbox's commands have no file descriptors beyond standard input, output and error",
        ),
      )

/** The handle of a whole pipeline. */
const joined = (handles: ReadonlyArray<Handle>, last: Handle): Handle =>
  ChildProcessSpawner.makeHandle({
    ...last,
    stdin: (handles[0] ?? last).stdin,
    kill: (options) =>
      Effect.forEach(handles.toReversed(), (handle) => Effect.ignore(handle.kill(options)), {
        discard: true,
      }),
  })

/** Runs commands in a sandbox. */
export const spawnerOf = (sandbox: Sandbox): ChildProcessSpawner.ChildProcessSpawner["Service"] => {
  let known: boolean | undefined
  /** Whether the sandbox has real processes, so that commands read and write while they run. */
  const isLive = Effect.suspend(() =>
    known === undefined
      ? sandbox.processes.list.pipe(
          Effect.as(true),
          Effect.catchTag("Unsupported", () => Effect.succeed(false)),
          Effect.mapError(platformError(place)),
          Effect.tap((live) =>
            Effect.sync(() => {
              known = live
            }),
          ),
        )
      : Effect.succeed(known),
  )
  const spawn = (command: ChildProcess.Command): Effect.Effect<Handle, Failure, Scope.Scope> =>
    Effect.gen(function* () {
      const live = yield* isLive
      const handles: Array<Handle> = []
      let last: Handle | undefined
      for (const [one, pipe] of commandsOf(command)) {
        const { options } = one
        const piped: ChildProcess.StandardCommand =
          last === undefined
            ? one
            : ChildProcess.make(one.command, one.args, {
                ...options,
                stdin: { ...inputConfig(options.stdin), stream: yield* sourceOf(last, pipe) },
              })
        last = yield* startCommand(sandbox, live, piped)
        handles.push(last)
      }
      if (last === undefined) return yield* Effect.fail(badArgument(place, "There is no command"))
      return handles.length === 1 ? last : joined(handles, last)
    })
  return ChildProcessSpawner.make(spawn)
}

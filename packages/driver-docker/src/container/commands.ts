import { EngineUnreachable, type ExecError, ExecEvent, type ExecRequest } from "@cordon/core"
import { Duration, Effect, Stream } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import type { Final } from "../init/Channel.ts"
import { NotStarted } from "../init/errors.ts"
import { exitOf, type RunError, runTo } from "../init/run.ts"
import type { Connected } from "./connections.ts"
import { before, type RunOptions } from "./ends.ts"
import { connectTo, type Stuck } from "./refusals.ts"
import { judgeStart, said } from "./startFailures.ts"
import type { Target } from "./Target.ts"
import { requireUserNumbers } from "./users.ts"

// What a busy engine may take to connect, on top of a command's timeout.
const extra = Duration.seconds(8)

/** Holds what the engine does before a command begins to the command's timeout. */
export const inTime =
  ({ endpoint }: DockerEngine["Service"], { timeout }: ExecRequest) =>
  <A, E, R>(prepare: Effect.Effect<A, E, R>): Effect.Effect<A, E | EngineUnreachable, R> => {
    if (timeout === undefined) return prepare
    return Effect.timeoutOrElse(prepare, {
      duration: Duration.sum(timeout, extra),
      orElse: () =>
        Effect.fail(
          new EngineUnreachable({
            endpoint,
            reason: "it did not answer before a command's time was up; the command was not begun",
          }),
        ),
    })
  }

/** What a command is to the init of its sandbox. */
export const commandOf = (
  target: Target,
  { command, cwd = target.cwd ?? "/", user = target.user, env = {} }: Omit<ExecRequest, "stdin">,
) => ({
  ...(typeof command === "string" ? { argv: [command], script: true } : { argv: command }),
  cwd,
  env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
  ...(user === undefined ? {} : { user }),
})

/** What a command that did not begin would have run; the last shell that the init tries for a script. */
export const programOf = ({ command }: Pick<ExecRequest, "command">) =>
  typeof command === "string" ? "/bin/sh" : command[0]

/** Commands of sandboxes, as `SandboxDriver.exec` promises. */
export const makeCommands = (options: RunOptions) => {
  const { engine, hub, connections, judgeLoss } = options
  /** How a command ended; one that did not end when it was told to is ended with its sandbox. */
  const endedBy =
    ({ reset }: Connected) =>
    (final: Final) =>
      Effect.flatMap(exitOf(final), ({ unanswered, _tag: _, ...exit }) =>
        unanswered
          ? Effect.map(reset, (restarted) => ExecEvent.Exit({ ...exit, restarted }))
          : Effect.succeed(ExecEvent.Exit({ ...exit, restarted: false })),
      )

  return (target: Target, request: ExecRequest): Stream.Stream<ExecEvent, ExecError> =>
    Stream.unwrap(
      Effect.gen(function* () {
        const { user = target.user, stdin, timeout } = request
        yield* requireUserNumbers(user)
        const state = before(hub, target)
        const connect = connectTo(connections, target)
        // A connection that is open is there at once: a time limit would only cost time.
        const connected = yield* connections.isConnected(target.instanceId)
          ? connect
          : inTime(engine, request)(connect)
        const command = commandOf(target, request)
        const failed = (error: RunError | Stuck): Stream.Stream<ExecEvent, ExecError> => {
          if (error instanceof NotStarted) {
            const attempted = { program: programOf(request), cwd: command.cwd, user }
            return Stream.unwrap(Effect.map(judgeStart(error, attempted), said))
          }
          if (error._tag === "InvalidInput") return Stream.fail(error)
          return Stream.fromEffect(judgeLoss(target, error, state))
        }
        const running = runTo(
          connected.init,
          {
            ...command,
            ...(stdin === undefined ? {} : { stdin }),
            ...(timeout === undefined ? {} : { timeout: Duration.toMillis(timeout) }),
          },
          endedBy(connected),
        )
        return Stream.catch(running, failed)
      }),
    )
}

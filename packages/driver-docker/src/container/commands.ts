import { EngineUnreachable, type ExecError, ExecEvent, type ExecRequest } from "@cordon/core"
import { Duration, Effect, Stream } from "effect"
import type { Final } from "../init/Channel.ts"
import { NotStarted } from "../init/errors.ts"
import { exitOf, type RunError, runTo } from "../init/run.ts"
import type { Connected } from "./connections.ts"
import { before, type RunOptions } from "./lostConnection.ts"
import { connectTo, isUndelivered, Stuck } from "./refusals.ts"
import { judgeStart, said } from "./startFailures.ts"
import type { Target } from "./Target.ts"
import { type Deadline, deadlineOf } from "./timeout.ts"
import { requireUserNumbers } from "./users.ts"

/** A command in the words of the init's protocol. */
export const commandOf = (
  target: Target,
  { command, cwd = target.cwd ?? "/", user = target.user, env = {} }: Omit<ExecRequest, "stdin">,
) => ({
  ...(typeof command === "string" ? { argv: [command], script: true } : { argv: command }),
  cwd,
  env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
  user,
})

/** The program that a command runs. For a script, the last shell that the init tries. */
export const programOf = ({ command }: Pick<ExecRequest, "command">) =>
  typeof command === "string" ? "/bin/sh" : command[0]

/** Commands of sandboxes, as `SandboxDriver.exec` promises. */
export const makeCommands = (options: RunOptions) => {
  const { engine, hub, connections, judgeLoss } = options
  const late = new Stuck(
    new EngineUnreachable({
      endpoint: engine.endpoint,
      reason:
        "the sandbox has not answered since the command's timeout; the command may still be running",
    }),
  )

  /** How a command ended. A command that does not end when told to is ended by a restart of its sandbox. */
  const endedBy =
    ({ reset }: Connected, { rest }: Deadline) =>
    (final: Final) =>
      Effect.flatMap(exitOf(final), ({ unanswered, _tag: _, ...exit }) =>
        unanswered
          ? reset.pipe(
              Effect.timeoutOrElse({
                duration: rest() ?? Duration.infinity,
                orElse: () => Effect.fail(late),
              }),
              Effect.mapError((error) =>
                error instanceof Stuck ? error.of(final.delivered) : error,
              ),
              Effect.map((restarted) => ExecEvent.Exit({ ...exit, restarted })),
            )
          : Effect.succeed(ExecEvent.Exit({ ...exit, restarted: false })),
      )

  /**
   * @param isLast whether this is the last attempt; otherwise an attempt that did not send the
   * command is repeated
   */
  const attempt = (
    target: Target,
    request: ExecRequest,
    deadline: Deadline,
    isLast: boolean,
  ): Stream.Stream<ExecEvent, ExecError> =>
    Stream.unwrap(
      Effect.gen(function* () {
        const { user = target.user, stdin } = request
        yield* requireUserNumbers(user)
        const state = before(hub, target)
        const connect = connectTo(connections, target)
        // An open connection is available at once, so the cost of a time limit is saved.
        const connected = yield* connections.isReady(target.instanceId)
          ? connect
          : deadline.before(connect)
        const command = commandOf(target, request)
        const failed = (error: RunError | Stuck): Stream.Stream<ExecEvent, ExecError> => {
          if (error instanceof NotStarted) {
            const attempted = { program: programOf(request), cwd: command.cwd, user }
            return Stream.unwrap(Effect.map(judgeStart(error, attempted), said))
          }
          if (error._tag === "InvalidInput") return Stream.fail(error)
          if (isUndelivered(error) && !isLast) return attempt(target, request, deadline, true)
          return Stream.fromEffect(judgeLoss(target, error, state))
        }
        const running = runTo(
          connected.init,
          {
            ...command,
            stdin,
            timeout: deadline.timeout(),
          },
          endedBy(connected, deadline),
        )
        return Stream.catch(running, failed)
      }),
    )

  /** @param deadline the command's deadline, if its time already started while the sandbox was located */
  return (
    target: Target,
    request: ExecRequest,
    deadline?: Deadline,
  ): Stream.Stream<ExecEvent, ExecError> => {
    // A stream of input can be read only once.
    const isLast = request.stdin !== undefined && !(request.stdin instanceof Uint8Array)
    if (deadline !== undefined) return attempt(target, request, deadline, isLast)
    return Stream.unwrap(
      Effect.map(deadlineOf(engine.endpoint, request), (own) =>
        attempt(target, request, own, isLast),
      ),
    )
  }
}

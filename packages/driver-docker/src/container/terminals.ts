import type { ExecError, HostError, Terminal, TerminalRequest } from "@cordon/core"
import { Effect, type Scope, Stream } from "effect"
import { NotStarted } from "../init/errors.ts"
import { type RunError, type RunExit, start } from "../init/run.ts"
import { commandOf, programOf } from "./commands.ts"
import { before, type RunOptions } from "./lostConnection.ts"
import { connectTo, explainLoss, type Stuck } from "./refusals.ts"
import { judgeStart } from "./startFailures.ts"
import type { Target } from "./Target.ts"
import { requireUserNumbers } from "./users.ts"

/** Commands on terminals. The size is set before the command begins. */
export const makeTerminals =
  (options: RunOptions) =>
  (target: Target, request: TerminalRequest): Effect.Effect<Terminal, ExecError, Scope.Scope> =>
    Effect.gen(function* () {
      const { engine, hub, connections, judgeLoss } = options
      const { user = target.user, size } = request
      yield* requireUserNumbers(user)
      const state = before(hub, target)
      const { init, reset } = yield* connectTo(connections, target)
      const env = { TERM: "xterm-256color", ...request.env }
      const command = commandOf(target, { ...request, env })
      const running = yield* start(init, { ...command, terminal: size }).pipe(
        Effect.catchTag("InitLost", (lost) => explainLoss(engine, target, lost)),
      )

      /** The exit code. If the sandbox ended, the command ended with it. */
      const exitCode = (error: RunError | Stuck): Effect.Effect<number, HostError> => {
        if (error._tag === "NotStarted") return Effect.succeed(126)
        if (error._tag === "InvalidInput") return Effect.die(error)
        return judgeLoss(target, error, state).pipe(
          Effect.map(({ exitCode }) => exitCode),
          Effect.catchTag("SandboxNotFound", () => Effect.succeed(137)),
        )
      }
      const ended = ({ exitCode, unanswered }: RunExit) =>
        unanswered ? Effect.as(reset, exitCode) : Effect.succeed(exitCode)
      const started = yield* Effect.result(running.pid)
      if (started._tag === "Failure" && started.failure instanceof NotStarted) {
        const { text, exitCode } = yield* judgeStart(started.failure, {
          program: programOf(request),
          cwd: command.cwd,
          user,
        })
        return {
          output: Stream.succeed(new TextEncoder().encode(text.replace("\n", "\r\n"))),
          write: () => Effect.void,
          resize: () => Effect.void,
          exit: Effect.succeed(exitCode),
        }
      }
      return {
        output: running.events.pipe(
          Stream.map((event) => (event._tag === "Exit" ? [] : [event.bytes])),
          Stream.flattenIterable,
          Stream.catch(() => Stream.empty),
        ),
        write: running.write,
        resize: running.resize,
        exit: yield* Effect.cached(
          running.exit.pipe(Effect.flatMap(ended), Effect.catch(exitCode)),
        ),
      }
    })

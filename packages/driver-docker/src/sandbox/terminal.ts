import { randomBytes } from "node:crypto"
import {
  collectOutput,
  type ExecError,
  type ExecEvent,
  type ExecRequest,
  type HostError,
  SandboxNotFound,
  SandboxNotRunning,
  type Terminal,
  type TerminalRequest,
} from "@cordon/core"
import { Deferred, Effect, Fiber, Schedule, type Scope, type Stream } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import { judgePreparation } from "../engine/startFailures.ts"
import type { EventHub } from "./events.ts"
import type { Target } from "./exec.ts"
import type { Languages } from "./language.ts"
import { argvOf, killScript, marker } from "./scripts.ts"
import { requireEnded } from "./vanished.ts"

type Exec = (target: Target, request: ExecRequest) => Stream.Stream<ExecEvent, ExecError>

const soon = Schedule.max([Schedule.spaced("50 millis"), Schedule.recurs(100)])
const often = Schedule.min([Schedule.exponential("10 millis"), Schedule.spaced("1 second")])

/**
 * The command, once its terminal has the size that was asked for: the engine can size a terminal only
 * when what runs on it has begun. An image without stty is left to the engine.
 */
const sizedArgv = (
  command: TerminalRequest["command"],
  { columns, rows }: TerminalRequest["size"],
) => {
  const [program, ...args] = argvOf(command)
  // Some shells take such a name for an option of exec.
  if (program.startsWith("-")) return [program, ...args]
  const script = `stty rows ${rows} columns ${columns} 2>/dev/null; exec "$@"`
  return ["/bin/sh", "-c", script, "sh", program, ...args]
}

/** Commands on a terminal of their own, which the engine makes and resizes. */
export const makeTerminal =
  (engine: DockerEngine["Service"], hub: EventHub, exec: Exec, languages: Languages) =>
  (target: Target, request: TerminalRequest): Effect.Effect<Terminal, ExecError, Scope.Scope> =>
    Effect.gen(function* () {
      const { command, cwd, env = {}, user, size } = request
      const refused = (error: HostError) => {
        if (error._tag !== "EngineError") return error
        if (error.status === 404) return new SandboxNotFound({ sandbox: target.id })
        if (error.status !== 409) return error
        const status = /paused/i.test(error.detail) ? "paused" : "stopped"
        return new SandboxNotRunning({ sandbox: target.id, status })
      }
      const where = {
        ...(cwd === undefined ? {} : { cwd }),
        ...(user === undefined ? {} : { user }),
      }
      // On a terminal the engine's refusal of a folder or a user would look like output.
      yield* collectOutput(exec(target, { command: ":", ...where }), 1024)

      const environment = yield* languages(target.instanceId, command, env)
      const token = randomBytes(12).toString("hex")
      const execId = yield* engine
        .execCreate(target.instanceId, {
          Cmd: sizedArgv(command, size),
          Env: [
            ...Object.entries({ TERM: "xterm-256color", ...environment }).map(
              ([name, value]) => `${name}=${value}`,
            ),
            `${marker}=${token}`,
          ],
          ...(cwd === undefined ? {} : { WorkingDir: cwd }),
          ...(user === undefined ? {} : { User: user }),
          AttachStdin: true,
          AttachStdout: true,
          AttachStderr: true,
          Tty: true,
        })
        .pipe(
          Effect.mapError((error) => {
            const judged = judgePreparation(error, user)
            return judged._tag === "InvalidInput" ? judged : refused(judged)
          }),
        )
      const deathsBefore = hub.deaths(target.instanceId)
      const death = yield* Effect.acquireRelease(hub.death(execId), () => hub.forget(execId))
      let ended = false
      const kill = (as: string | undefined) =>
        Effect.map(
          collectOutput(
            exec(target, {
              command: ["/bin/sh", "-c", killScript, "sh", token],
              cwd: "/",
              ...(as === undefined ? {} : { user: as }),
            }),
            1024,
          ),
          ({ exitCode }) => exitCode === 0,
        )
      yield* Effect.addFinalizer(() =>
        Effect.gen(function* () {
          if (!ended && !(yield* kill(user))) yield* kill("0")
        }).pipe(
          // A sandbox that is gone or stopped has no processes.
          Effect.catchTag(["SandboxNotFound", "SandboxNotRunning"], () => Effect.void),
          Effect.catch((error) =>
            Effect.logWarning("Could not kill what ran on a terminal", {
              sandbox: target.id,
              error: error.message,
            }),
          ),
        ),
      )
      const connection = yield* engine
        .execStart(execId, { tty: true })
        .pipe(Effect.mapError(refused))

      const resize = (size: TerminalRequest["size"]) => engine.execResize(execId, size)
      // The engine has the terminal only once the process runs.
      const sized = yield* resize(size).pipe(
        Effect.retry({ schedule: soon, while: (error) => error._tag === "EngineError" }),
        Effect.ignore,
        Effect.forkScoped,
      )

      const exit = yield* Effect.cached(
        Effect.raceFirst(Deferred.await(death), Effect.sleep("1 second")).pipe(
          Effect.andThen(engine.execInspect(execId)),
          Effect.repeat({ schedule: often, while: ({ Running }) => Running }),
          Effect.map(({ ExitCode }) => ExitCode ?? 137),
          // It went with the container, or else nobody knows.
          Effect.catchIf(
            (error) => error._tag === "EngineError" && error.status === 404,
            () => Effect.as(requireEnded(engine, hub, target, deathsBefore), 137),
          ),
          Effect.catchTag("SandboxNotFound", () => Effect.succeed(137)),
          Effect.tap(() =>
            Effect.sync(() => {
              ended = true
            }),
          ),
        ),
      )
      return {
        output: connection.output,
        write: connection.write,
        // After the first size, which would otherwise have the last word.
        resize: (size) => Effect.andThen(Fiber.await(sized), resize(size)),
        exit,
      }
    })

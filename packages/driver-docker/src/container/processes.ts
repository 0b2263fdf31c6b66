import {
  type AttachError,
  type AttachedProcess,
  EngineError,
  EngineUnreachable,
  type HostError,
  type ListError,
  ProcessEvent,
  type ProcessInfo,
  ProcessNotStarted,
  type ProcessRequest,
  type SandboxNotFound,
  type SandboxNotRunning,
  type StartError,
} from "@cordon/core"
import { DateTime, Duration, Effect, type Scope, Stream } from "effect"
import type { KeptProcess } from "../init/entries.ts"
import { reasonOf } from "../init/errno.ts"
import type { NotStarted } from "../init/errors.ts"
import * as kept from "../init/processes.ts"
import { commandOf, programOf } from "./commands.ts"
import type { Connected, Connections } from "./connections.ts"
import { before, type RunOptions } from "./lostConnection.ts"
import { connectTo, explainLoss } from "./refusals.ts"
import { judgeStart } from "./startFailures.ts"
import type { Target } from "./Target.ts"
import { requireUserNumbers } from "./users.ts"

type Engine = RunOptions["engine"]

const infoOf =
  (now: number) =>
  ({ name, description, state, value, age, outputBytes }: KeptProcess): ProcessInfo => ({
    name,
    command: description,
    ...(state === "running"
      ? { status: "running" }
      : { status: "exited", exitCode: state === "exited" ? value : 128 + value }),
    startedAt: new Date(now - age),
    outputBytes,
  })

const whys = { 127: "notFound", 126: "notExecutable" } as const

/** Resets a sandbox that did not answer in time, and fails. */
const unanswered = (engine: Engine, target: Target, reset: Connected["reset"]) =>
  reset.pipe(
    Effect.catchTag(["InitLost", "Stuck"], (lost) => explainLoss(engine, target, lost)),
    Effect.flatMap((restarted) =>
      Effect.fail(
        new EngineUnreachable({
          endpoint: engine.endpoint,
          reason: `the sandbox did not do it in time${restarted ? ", and was restarted" : ""}`,
        }),
      ),
    ),
  )

/** The error for a request that the init of a sandbox did not carry out. */
const refused =
  (engine: Engine, target: Target, { reset }: Connected) =>
  (
    error: kept.QuestionError,
  ): Effect.Effect<never, SandboxNotFound | SandboxNotRunning | HostError> => {
    switch (error._tag) {
      case "InitLost":
        return explainLoss(engine, target, error)
      case "Unanswered":
        return unanswered(engine, target, reset)
      case "NotStarted":
        return Effect.fail(EngineError.notDone("use a background process", reasonOf(error.errno)))
      case "InvalidInput":
        // A request of a name and numbers is never too long.
        return Effect.die(error)
      default:
        return Effect.fail(error)
    }
  }

/** The error for a request about one process. */
const judge =
  (engine: Engine, target: Target, connected: Connected) =>
  (error: kept.KeptError): Effect.Effect<never, AttachError> =>
    error._tag === "ProcessNotFound"
      ? Effect.fail(error)
      : refused(engine, target, connected)(error)

/** Background processes of sandboxes, managed by their inits. */
export const makeContainerProcesses = (options: RunOptions) => {
  const { engine, hub, connections, judgeLoss } = options

  const start = (target: Target, request: ProcessRequest): Effect.Effect<void, StartError> =>
    Effect.gen(function* () {
      const { name, description, stdin, user = target.user } = request
      yield* requireUserNumbers(user)
      const connected = yield* connectTo(connections, target)
      const command = commandOf(target, request)
      const program = programOf(request)

      const notStarted = (error: NotStarted): Effect.Effect<never, StartError> =>
        Effect.flatMap(judgeStart(error, { program, cwd: command.cwd, user }), (said) =>
          Effect.fail(
            new ProcessNotStarted({
              process: name,
              why: error.stage === "process" ? "cannotFork" : whys[said.exitCode],
              reason: said.text.trim(),
            }),
          ),
        )
      yield* kept.keep(connected.init, { name, description }, command, stdin).pipe(
        Effect.catch((error): Effect.Effect<never, StartError> => {
          if (error._tag === "NotStarted") return notStarted(error)
          if (error._tag === "ProcessNameTaken" || error._tag === "InvalidInput") {
            return Effect.fail(error)
          }
          return refused(engine, target, connected)(error)
        }),
      )
    }).pipe(Effect.scoped)

  const list = (target: Target): Effect.Effect<ReadonlyArray<ProcessInfo>, ListError> =>
    Effect.gen(function* () {
      const connected = yield* connectTo(connections, target)
      const found = yield* Effect.catch(
        kept.list(connected.init),
        refused(engine, target, connected),
      )
      const now = DateTime.toEpochMillis(yield* DateTime.now)
      // The init lists the newest first.
      return found.map(infoOf(now)).reverse()
    }).pipe(Effect.scoped)

  const attach = (
    target: Target,
    name: string,
    position: number,
  ): Effect.Effect<AttachedProcess<AttachError>, AttachError, Scope.Scope> =>
    Effect.gen(function* () {
      const state = before(hub, target)
      const connected = yield* connectTo(connections, target)
      const fail = judge(engine, target, connected)
      const process = yield* Effect.catch(kept.attach(connected.init, name, position), fail)
      /** Reports the process as ended if its sandbox has ended. */
      const ended = (error: kept.KeptError): Effect.Effect<ProcessEvent, AttachError> =>
        error._tag === "InitLost"
          ? Effect.map(judgeLoss(target, error, state), ({ exitCode }) =>
              ProcessEvent.Exit({ exitCode }),
            )
          : fail(error)
      return {
        ...process,
        events: Stream.catch(process.events, (error) => Stream.fromEffect(ended(error))),
      }
    })

  const end = (
    target: Target,
    name: string,
    { grace, keepLog }: { readonly grace: Duration.Duration; readonly keepLog: boolean },
  ): Effect.Effect<void, AttachError> =>
    Effect.gen(function* () {
      const connected = yield* connectTo(connections, target)
      const how = { keepLog, grace: Math.ceil(Duration.toMillis(grace)) }
      yield* Effect.catch(kept.forget(connected.init, name, how), judge(engine, target, connected))
    }).pipe(Effect.scoped)

  return { start, list, attach, end }
}
export type ContainerProcesses = ReturnType<typeof makeContainerProcesses>

/** Forgets all background processes of a container, for a restart that keeps process 1. */
export const makeForgetProcesses = (connections: Connections) => (instanceId: string) =>
  Effect.gen(function* () {
    const { init } = yield* connections.of(instanceId)
    yield* Effect.forEach(yield* kept.list(init), ({ name }) =>
      Effect.catchTag(kept.forget(init, name), "ProcessNotFound", () => Effect.void),
    )
  }).pipe(Effect.scoped, Effect.asVoid)

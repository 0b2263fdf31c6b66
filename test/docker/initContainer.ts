// A container whose process 1 is the init, as drivers will make it: put in, attached to, started.
import { packArchive } from "@cordon/core"
import { DockerEngine, type ExecConnection, localEngine } from "@cordon/driver-docker"
import { initProgram } from "@cordon/init"
import Dockerode from "dockerode"
import { Effect, Scope, Stream } from "effect"
import { engineStream } from "../../packages/driver-docker/src/init/engineStream.ts"
import { InitConnection } from "../../packages/driver-docker/src/init/InitConnection.ts"
import { type Command, run } from "../../packages/driver-docker/src/init/run.ts"

/** Where the init is in the container. */
export const initPath = "/.cordon/init"

const hardened = {
  NetworkMode: "none",
  Memory: 256 * 1024 ** 2,
  PidsLimit: 256,
  CapDrop: ["ALL"],
  CapAdd: ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETGID", "SETUID", "KILL"],
  SecurityOpt: ["no-new-privileges"],
}

const archive = Effect.gen(function* () {
  const whole = yield* initProgram("amd64")
  const { size, content } = { size: whole.length, content: Stream.empty }
  const folder = { path: ".cordon", kind: "directory", mode: 0o755, size: 0, content } as const
  const program = { path: initPath.slice(1), kind: "file", mode: 0o555, size, content } as const
  const pieces = packArchive(Stream.make(folder, { ...program, whole }))
  return Buffer.concat(yield* Stream.runCollect(pieces))
})

/** A connection over an attachment; the scope's end closes it. */
const connect = <E>(
  attach: Effect.Effect<ExecConnection, E, Scope.Scope>,
  removalSeconds?: number,
) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    yield* Effect.addFinalizer((exit) => Scope.close(scope, exit))
    const stream = engineStream(yield* Scope.provide(attach, scope), scope)
    return yield* InitConnection.make(stream, removalSeconds)
  })

/** The container, with what a test does to it. The scope's end removes it. */
export const initContainer = Effect.fnUntraced(function* (options: {
  readonly socketPath: string
  readonly image: string
  readonly runtime?: string
  readonly ulimits?: Readonly<Record<string, number>>
}) {
  const { socketPath, image, runtime, ulimits = {} } = options
  const engine = yield* Effect.provide(DockerEngine, localEngine(socketPath))
  const program = yield* archive
  // Not by the port: what it makes always has the engine's own init as process 1.
  const container = yield* Effect.acquireRelease(
    Effect.promise(() =>
      new Dockerode({ socketPath }).createContainer({
        Image: image,
        Entrypoint: [initPath],
        Cmd: ["--pids=200"],
        User: "0",
        OpenStdin: true,
        // So that the end of the first connection is an end of input.
        StdinOnce: true,
        HostConfig: {
          ...hardened,
          ...(runtime === undefined ? {} : { Runtime: runtime }),
          LogConfig: { Type: "none", Config: {} },
          Ulimits: Object.entries(ulimits).map(([Name, most]) => ({
            Name,
            Soft: most,
            Hard: most,
          })),
        },
      }),
    ),
    (made) => Effect.promise(() => made.remove({ force: true })),
  )
  const { id } = container
  return {
    container,
    /** Puts the init in, attaches to it, and starts the container. */
    start: (removalSeconds?: number) =>
      Effect.gen(function* () {
        yield* engine.containerPutArchive(id, "/", program)
        const connection = yield* connect(engine.containerAttach(id), removalSeconds)
        yield* engine.containerStart(id)
        return connection
      }),
    /** A further connection, as another program gets it. */
    connect: connect(
      Effect.flatMap(engine.execCreate(id, [initPath, "connect"]), (exec) =>
        engine.execStart(exec),
      ),
    ),
  }
})

/** What a command printed, and how it ended. */
export const finish = (connection: InitConnection, command: Command) =>
  Stream.runFold(
    run(connection, { timeout: 30_000, ...command }),
    () => ({ output: "", exitCode: -1, timedOut: false, oomKilled: false, unanswered: false }),
    (sum, event) =>
      event._tag === "Exit"
        ? { output: sum.output, ...event }
        : { ...sum, output: sum.output + Buffer.from(event.bytes).toString() },
  )

/** As `finish`, for a script of sh. */
export const sh = (connection: InitConnection, script: string, more: Partial<Command> = {}) =>
  finish(connection, { argv: ["/bin/sh", "-c", script], cwd: "/", ...more })

// A container whose process 1 is the init, as drivers will make it: put in, attached to, started.
import { spawnSync } from "node:child_process"
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Duplex } from "node:stream"
import { EngineUnreachable } from "@cordon/core"
import { execConnection } from "@cordon/driver-docker/engine"
import { initProgram } from "@cordon/init"
import type Dockerode from "dockerode"
import { Effect, Exit, Scope, Stream } from "effect"
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

const archive = Effect.promise(async () => {
  const folder = mkdtempSync(join(tmpdir(), "cordon-init-"))
  mkdirSync(join(folder, ".cordon"))
  writeFileSync(join(folder, initPath), await Effect.runPromise(initProgram("amd64")))
  chmodSync(join(folder, initPath), 0o555)
  const options = ["-C", folder, "--owner=0", "--group=0", "-cf", "-", ".cordon"]
  const { stdout } = spawnSync("tar", options, { maxBuffer: 16 * 1024 ** 2 })
  rmSync(folder, { recursive: true })
  return stdout
})

const unreachable = (cause: unknown) =>
  new EngineUnreachable({ endpoint: "the engine of the test", reason: String(cause) })

/** A connection over an attachment; the scope's end closes it. */
const connect = (open: () => Promise<NodeJS.ReadWriteStream>, removalSeconds?: number) =>
  Effect.gen(function* () {
    const socket = yield* Effect.promise(async () => {
      const stream = await open()
      if (!(stream instanceof Duplex)) throw new Error("it is no socket")
      return stream
    })
    const scope = yield* Scope.make()
    yield* Scope.addFinalizer(
      scope,
      Effect.sync(() => void socket.destroy()),
    )
    yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
    const stream = engineStream(execConnection(socket, unreachable), scope)
    return yield* InitConnection.make(stream, removalSeconds)
  })

/** The container, with what a test does to it. The scope's end removes it. */
export const initContainer = Effect.fnUntraced(function* (
  engine: Dockerode,
  options: {
    readonly image: string
    readonly runtime?: string
  },
) {
  const program = yield* archive
  const container = yield* Effect.acquireRelease(
    Effect.promise(() =>
      engine.createContainer({
        Image: options.image,
        Entrypoint: [initPath],
        Cmd: [],
        User: "0",
        OpenStdin: true,
        // So that the end of the first connection is an end of input.
        StdinOnce: true,
        AttachStdin: true,
        AttachStdout: true,
        HostConfig: {
          ...hardened,
          ...(options.runtime === undefined ? {} : { Runtime: options.runtime }),
          LogConfig: { Type: "none", Config: {} },
        },
      }),
    ),
    (made) => Effect.promise(() => made.remove({ force: true })),
  )
  const put = Effect.promise(() => container.putArchive(program, { path: "/" }))
  const attachment = () =>
    container.attach({ stream: true, hijack: true, stdin: true, stdout: true, stderr: true })
  return {
    container,
    /** Puts the init in, attaches to it, and starts the container. */
    start: (removalSeconds?: number) =>
      Effect.gen(function* () {
        yield* put
        const connection = yield* connect(attachment, removalSeconds)
        yield* Effect.promise(() => container.start())
        return connection
      }),
    /** A further connection, as another program gets it. */
    connect: connect(async () => {
      const exec = await container.exec({
        Cmd: [initPath, "connect"],
        AttachStdin: true,
        AttachStdout: true,
        AttachStderr: true,
      })
      return exec.start({ hijack: true, stdin: true })
    }),
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

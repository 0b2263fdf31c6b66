import { randomUUID } from "node:crypto"
import {
  collectOutput,
  type ExecError,
  type ExecEvent,
  type FileContent,
  type FileError,
  type FilePath,
  type FileStat,
  fileError,
  fileExit,
  InvalidArchive,
  StorageFailed,
} from "@cordon/core"
import { Deferred, Effect, Exit, Stream } from "effect"
import { mostInlineContent } from "../channel/script.ts"
import type { Command, Target } from "./exec.ts"
import * as scripts from "./scripts.ts"

type Exec = (target: Target, request: Command) => Stream.Stream<ExecEvent, ExecError>

// The last moment of a year with four digits; what is later is made up.
const latest = Date.UTC(9999, 11, 31)

// The helpers run as the sandbox's user: a user that is unknown is the sandbox's own fault.
const asFileError =
  (path: string) =>
  (error: ExecError): FileError =>
    error._tag === "InvalidInput" ? new StorageFailed({ path, reason: error.issue }) : error

/** Files of a container, read and written by its own user through its own processes. */
export const makeFiles = (exec: Exec) => {
  const command = (script: string, ...args: ReadonlyArray<string>): Command => ({
    command: ["/bin/sh", "-c", script, "sh", ...args],
    cwd: "/",
    helper: true,
  })

  /** Runs a script that prints little. */
  const run = Effect.fnUntraced(function* (target: Target, path: string, request: Command) {
    const result = yield* collectOutput(exec(target, request), 64 * 1024).pipe(
      Effect.mapError(asFileError(path)),
    )
    if (result.exitCode !== 0) return yield* fileError(path, result.exitCode, result.stderr)
    return result.stdout
  })

  /** Streams what a script prints, and fails in the end if the script did. */
  const stream = (
    target: Target,
    path: string,
    request: Command,
  ): Stream.Stream<Uint8Array, FileError> =>
    Stream.suspend(() => {
      let stderr = ""
      return exec(target, request).pipe(
        Stream.mapError(asFileError(path)),
        Stream.mapEffect((event) => {
          if (event._tag === "Stdout") return Effect.succeed([event.bytes])
          if (event._tag === "Stderr") {
            stderr = (stderr + Buffer.from(event.bytes).toString()).slice(-4096)
          } else if (event.exitCode !== 0) {
            return Effect.fail(fileError(path, event.exitCode, stderr))
          }
          return Effect.succeed([])
        }),
        Stream.flattenIterable,
      )
    })

  /** Runs an effect that feeds `content` to a script; the content's own failure wins. */
  const feed = <E, A, E2>(
    content: Stream.Stream<Uint8Array, E>,
    f: (stdin: Stream.Stream<Uint8Array>) => Effect.Effect<A, E2>,
  ): Effect.Effect<A, E | E2> =>
    Effect.gen(function* () {
      const failure = yield* Deferred.make<never, E>()
      // Standard input stays open then: its end would say that the content is whole.
      const stdin = Stream.catchCause(content, (cause) =>
        Stream.fromEffectDrain(Effect.andThen(Deferred.failCause(failure, cause), Effect.never)),
      )
      return yield* Effect.raceFirst(f(stdin), Deferred.await(failure))
    })

  const stat = Effect.fnUntraced(function* (
    target: Target,
    path: FilePath,
  ): Effect.fn.Return<FileStat, FileError> {
    const printed = yield* run(target, path, command(scripts.statScript, path))
    const [kind = "", size = "", mode = "", seconds = "", ...date] = printed.trim().split(" ")
    const fraction = Number(/\.(\d+)/.exec(date.join(" "))?.[0] ?? 0)
    const time = Number(seconds) * 1000 + Math.round(fraction * 1000)
    return {
      kind: kind === "file" || kind === "directory" ? kind : "other",
      size: kind === "file" ? Number(size) : 0,
      mode: Number.parseInt(mode, 8),
      ...(time >= 0 && time <= latest ? { modifiedAt: new Date(time) } : {}),
    }
  })

  /** All of a content that says how long it is. */
  const gather = Effect.fnUntraced(function* <E>(
    path: FilePath,
    content: Stream.Stream<Uint8Array, E>,
    size: number,
  ) {
    const pieces: Array<Uint8Array> = []
    let length = 0
    yield* content.pipe(
      Stream.takeWhile(() => length <= size),
      Stream.runForEach((piece) =>
        Effect.sync(() => {
          pieces.push(piece)
          length += piece.length
        }),
      ),
    )
    if (length !== size) return yield* fileError(path, fileExit.size, "")
    return Buffer.concat(pieces)
  })

  const writeFile = Effect.fnUntraced(function* <E>(
    target: Target,
    path: FilePath,
    content: FileContent<E>,
  ): Effect.fn.Return<void, FileError | E> {
    const tag = randomUUID()
    const { size, mode, modifiedAt } = content
    const time = modifiedAt === undefined ? undefined : modifiedAt.getTime() / 1000
    const bits = mode === undefined ? "" : (mode & 0o777).toString(8)
    const request = command(
      scripts.writeScript,
      path,
      tag,
      bits,
      size === undefined ? "" : String(size),
      time === undefined ? "" : time.toFixed(3),
      // Rather newer than older: what was made of an older file must not seem to be current.
      time === undefined ? "" : String(Math.ceil(time)),
    )
    // The script takes its temporary file away, but not if it was killed or could not commit it.
    const discard = Effect.ignore(run(target, path, command(scripts.discardScript, path, tag)))
    if (size !== undefined && size <= mostInlineContent) {
      const whole = yield* gather(path, content.bytes, size)
      const stdin = Stream.succeed(whole)
      yield* run(target, path, { ...request, stdin, content: whole }).pipe(
        Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : discard)),
      )
      return
    }
    yield* feed(content.bytes, (stdin) => run(target, path, { ...request, stdin })).pipe(
      Effect.tap(() =>
        size === undefined
          ? run(target, path, command(scripts.commitScript, path, tag))
          : Effect.void,
      ),
      Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : discard)),
    )
  })

  const putArchive = Effect.fnUntraced(function* <E>(
    target: Target,
    path: FilePath,
    archive: Stream.Stream<Uint8Array, E>,
  ): Effect.fn.Return<void, FileError | E> {
    yield* feed(archive, (stdin) =>
      run(target, path, { ...command(scripts.putArchiveScript, path), stdin }),
    ).pipe(
      Effect.mapError((error) =>
        error instanceof StorageFailed &&
        /tar:/.test(error.reason) &&
        !/no space/.test(error.reason)
          ? new InvalidArchive({ reason: error.reason })
          : error,
      ),
    )
  })

  return {
    stat,
    readFile: (target: Target, path: FilePath, range: { offset?: number; length?: number } = {}) =>
      stream(
        target,
        path,
        command(
          scripts.readScript,
          path,
          String(range.offset ?? 0),
          range.length === undefined ? "" : String(range.length),
        ),
      ),
    writeFile,
    getArchive: (target: Target, path: FilePath) =>
      stream(target, path, command(scripts.getArchiveScript, path)),
    putArchive,
    ownWorkdir: (target: Target, path: string, user: string) =>
      run(target, path, {
        ...command(scripts.ownWorkdirScript, path, user),
        user: "0",
        once: true,
      }),
  }
}

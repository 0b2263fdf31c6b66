import {
  type FileContent,
  type FileError,
  type FilePath,
  type FileStat,
  type HostError,
  type InvalidArchive,
  type InvalidInput,
  InvalidPath,
  StorageFailed,
} from "@cordon/core"
import { Effect, Stream } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import { pack, unpack } from "../init/archives.ts"
import * as files from "../init/files.ts"
import { type Actor, type OperationError, openOperation, patienceOf } from "../init/operation.ts"
import type { Connected, Connections } from "./connections.ts"
import { brokenConnection, explainLoss, refusedFor } from "./refusals.ts"
import type { Target } from "./Target.ts"
import { requireUserNumbers, unknownUser } from "./users.ts"

/** A failure of a stream that a caller gave, which is not the sandbox's. */
class Given<E> {
  readonly error: E
  constructor(error: E) {
    this.error = error
  }
}
const given = <E>(stream: Stream.Stream<Uint8Array, E>) =>
  Stream.mapError(stream, (error) => new Given(error))

/** Files of sandboxes, read and written by their inits with the rights of their users. */
export const makeContainerFiles = (engine: DockerEngine["Service"], connections: Connections) => {
  const connect = (target: Target) =>
    Effect.mapError(connections.of(target.instanceId), refusedFor(target))

  const actorOf = ({ init: connection }: Connected, { user }: Target): Actor => ({
    connection,
    ...(user === undefined ? {} : { user }),
  })

  /** Why an operation was not done, as files have it. */
  const judge =
    (target: Target, path: string, { reset }: Connected) =>
    (error: OperationError | InvalidArchive): Effect.Effect<never, FileError> => {
      switch (error._tag) {
        case "InitLost":
          return explainLoss(engine, target, error)
        case "Unanswered": {
          const reason = "the sandbox did not end it in time"
          return reset.pipe(
            Effect.catchTag(["InitLost", "Stuck"], (lost) => explainLoss(engine, target, lost)),
            Effect.flatMap((restarted) =>
              Effect.fail(
                new StorageFailed({
                  path,
                  reason: restarted ? `${reason} and was started anew` : reason,
                }),
              ),
            ),
          )
        }
        case "InvalidInput":
          return Effect.fail(new InvalidPath({ path, reason: error.issue }))
        case "AlreadyExists":
        case "DirectoryNotEmpty":
          return Effect.fail(new StorageFailed({ path, reason: error.message }))
        default:
          return Effect.fail(error)
      }
    }

  /** Does something with a path of a sandbox. */
  const at = <A>(
    target: Target,
    path: string,
    f: (actor: Actor) => Effect.Effect<A, OperationError>,
  ): Effect.Effect<A, FileError> =>
    Effect.flatMap(connect(target), (connected) =>
      Effect.catch(f(actorOf(connected, target)), judge(target, path, connected)),
    ).pipe(Effect.scoped)

  const stream = <A>(
    target: Target,
    path: string,
    f: (actor: Actor) => Stream.Stream<A, OperationError | InvalidArchive>,
  ): Stream.Stream<A, FileError> =>
    Stream.unwrap(
      Effect.map(connect(target), (connected) =>
        Stream.catch(f(actorOf(connected, target)), (error) =>
          Stream.fromEffect(judge(target, path, connected)(error)),
        ),
      ),
    )

  /** As `at`, fed with a stream whose own failure is told as it is. */
  const feed = <E>(
    target: Target,
    path: string,
    f: (actor: Actor) => Effect.Effect<void, OperationError | InvalidArchive | Given<E>>,
  ): Effect.Effect<void, FileError | E> =>
    Effect.flatMap(connect(target), (connected) =>
      Effect.catch(
        f(actorOf(connected, target)),
        (error): Effect.Effect<never, FileError | E> =>
          error instanceof Given ? Effect.fail(error.error) : judge(target, path, connected)(error),
      ),
    ).pipe(Effect.scoped)

  return {
    stat: (target: Target, path: FilePath): Effect.Effect<FileStat, FileError> =>
      at(target, path, (actor) => files.stat(actor, path, { follow: true })).pipe(
        Effect.map(({ kind, size, mode, modifiedAt }) => ({
          kind: kind === "hardlink" ? "file" : kind,
          size,
          mode,
          ...(modifiedAt === undefined ? {} : { modifiedAt }),
        })),
      ),
    readFile: (
      target: Target,
      path: FilePath,
      range?: { readonly offset?: number; readonly length?: number },
    ) => stream(target, path, (actor) => files.read(actor, path, range)),
    writeFile: <E>(target: Target, path: FilePath, content: FileContent<E>) =>
      feed<E>(target, path, (actor) =>
        files.write(actor, path, { ...content, bytes: given(content.bytes) }),
      ),
    getArchive: (target: Target, path: FilePath) =>
      stream(target, path, (actor) => pack(actor, path)),
    putArchive: <E>(target: Target, path: FilePath, archive: Stream.Stream<Uint8Array, E>) =>
      feed<E>(target, path, (actor) => unpack(actor, path, given(archive))),
    /** Fails where the sandbox has no such user as its commands are to run as. */
    checkUser: (target: Target): Effect.Effect<void, InvalidInput | HostError> =>
      Effect.gen(function* () {
        yield* requireUserNumbers(target.user)
        const actor = actorOf(yield* connections.of(target.instanceId), target)
        const channel = yield* openOperation(actor, ["stat", "/"], { timeout: patienceOf(actor) })
        const { ending } = yield* channel.ended
        if (ending?.stage === "user") return yield* unknownUser(target.user)
      }).pipe(
        Effect.scoped,
        Effect.catchTag("InitLost", (lost) => Effect.fail(brokenConnection(engine, lost, ""))),
      ),
    /** Gives a working folder that the engine made as root to the sandbox's user, where it is empty. */
    ownWorkdir: (target: Target, path: string, user: string) =>
      at({ ...target, user: "0" }, path, (actor) => files.own(actor, path, user)),
  }
}
/** What `makeContainerFiles` gives. */
export type ContainerFiles = ReturnType<typeof makeContainerFiles>

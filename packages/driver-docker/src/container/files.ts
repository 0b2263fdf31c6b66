import { posix } from "node:path"
import {
  type AlreadyExists,
  type DirectoryNotEmpty,
  type FileContent,
  type FileEntry,
  type FileError,
  type FileMatch,
  type FilePath,
  type FileStat,
  FolderChange,
  type FolderSearch,
  type FolderWatch,
  type HostError,
  type InvalidArchive,
  type InvalidInput,
  InvalidPath,
  StorageFailed,
} from "@cordon/core"
import { Effect, Stream } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import { pack, unpack } from "../init/archives.ts"
import type { Entry, WatchEvent } from "../init/entries.ts"
import * as files from "../init/files.ts"
import * as folders from "../init/folders.ts"
import { type Actor, type OperationError, openOperation, patienceOf } from "../init/operation.ts"
import type { Connected, Connections } from "./connections.ts"
import { brokenConnection, connectTo, explainLoss } from "./refusals.ts"
import type { Target } from "./Target.ts"
import { requireUserNumbers, unknownUser } from "./users.ts"

/** A failure that is passed on unchanged: from a stream of the caller, or one that the operation declares. */
class Given<E> {
  readonly error: E
  constructor(error: E) {
    this.error = error
  }
}
const given = <E>(stream: Stream.Stream<Uint8Array, E>) =>
  Stream.mapError(stream, (error) => new Given(error))

const kindOf = ({ kind }: Entry) => (kind === "hardlink" ? "file" : kind)
const statOf = (entry: Entry): FileStat => ({
  kind: kindOf(entry),
  size: entry.size,
  mode: entry.mode,
  modifiedAt: entry.modifiedAt,
})
const fileEntry = (entry: Entry): FileEntry => ({
  name: posix.basename(entry.path),
  path: entry.path,
  kind: kindOf(entry),
  size: entry.size,
  mode: entry.mode,
  modifiedAt: entry.modifiedAt ?? new Date(0),
})

const changeOf = ({ event, entry }: WatchEvent): FolderChange => {
  switch (event) {
    case "ready":
      return FolderChange.Complete()
    case "overflow":
      return FolderChange.Anew()
    case "removed":
      return FolderChange.Gone({ path: entry.path })
    default:
      return FolderChange.Found({ entry: fileEntry(entry) })
  }
}

type Engine = DockerEngine["Service"]

const actorOf = ({ init: connection }: Connected, { user }: Target): Actor => ({
  connection,
  user,
})

/** Converts the reason why an operation failed into an error about a file. */
const judge =
  (engine: Engine, target: Target, path: string, { reset }: Connected) =>
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
                reason: restarted ? `${reason} and was restarted` : reason,
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

type Failure<E> = OperationError | InvalidArchive | Given<E>
const judgeAll =
  <E>(engine: Engine, target: Target, path: string, connected: Connected) =>
  (error: Failure<E>): Effect.Effect<never, FileError | E> =>
    error instanceof Given
      ? Effect.fail(error.error)
      : judge(engine, target, path, connected)(error)

const requireUser = Effect.fnUntraced(function* (connections: Connections, target: Target) {
  yield* requireUserNumbers(target.user)
  const actor = actorOf(yield* connections.of(target.instanceId), target)
  const channel = yield* openOperation(actor, ["stat", "/"], { timeout: patienceOf(actor) })
  const { ending } = yield* channel.ended
  if (ending?.stage === "user") return yield* unknownUser(target.user)
}, Effect.scoped)

/** Files of sandboxes. Their inits read and write them with the rights of the sandbox's user. */
export const makeContainerFiles = (engine: Engine, connections: Connections) => {
  const connect = (target: Target) => connectTo(connections, target)

  /** Does something with a path of a sandbox. */
  const at = <A, E = never>(
    target: Target,
    path: string,
    f: (actor: Actor) => Effect.Effect<A, Failure<E>>,
  ): Effect.Effect<A, FileError | E> =>
    Effect.flatMap(connect(target), (connected) =>
      Effect.catch(f(actorOf(connected, target)), judgeAll<E>(engine, target, path, connected)),
    ).pipe(Effect.scoped)

  const stream = <A, E = never>(
    target: Target,
    path: string,
    f: (actor: Actor) => Stream.Stream<A, Failure<E>>,
  ): Stream.Stream<A, FileError | E> =>
    Stream.unwrap(
      Effect.map(connect(target), (connected) =>
        Stream.catch(f(actorOf(connected, target)), (error) =>
          Stream.fromEffect(judgeAll<E>(engine, target, path, connected)(error)),
        ),
      ),
    )

  return {
    /** As `DriverFiles.stat`. */
    stat: (target: Target, path: FilePath): Effect.Effect<FileStat, FileError> =>
      at(target, path, (actor) => files.stat(actor, path, { follow: true })).pipe(
        Effect.map(statOf),
      ),
    /** As `DriverFiles.readFile`. */
    readFile: (target: Target, path: FilePath, range?: files.Range) =>
      stream(target, path, (actor) => files.read(actor, path, range)),
    /** As `DriverFiles.writeFile`. */
    writeFile: <E>(target: Target, path: FilePath, content: FileContent<E>) =>
      at<void, E>(target, path, (actor) =>
        files.write(actor, path, { ...content, bytes: given(content.bytes) }),
      ),
    /** As `DriverFiles.getArchive`. */
    getArchive: (target: Target, path: FilePath) =>
      stream(target, path, (actor) => pack(actor, path)),
    /** As `DriverFiles.putArchive`. */
    putArchive: <E>(target: Target, path: FilePath, archive: Stream.Stream<Uint8Array, E>) =>
      at<void, E>(target, path, (actor) => unpack(actor, path, given(archive))),
    /** As `DriverFiles.listFolder`. */
    listFolder: (target: Target, path: FilePath, depth: number) =>
      Stream.map(
        stream(target, path, (actor) => folders.list(actor, path, { depth })),
        fileEntry,
      ),
    /** As `DriverFiles.makeFolder`. */
    makeFolder: (target: Target, path: FilePath) =>
      at(target, path, (actor) => folders.makeFolder(actor, path)),
    /** As `DriverFiles.removeFile`. */
    removeFile: (target: Target, path: FilePath, options: { readonly recursive: boolean }) =>
      at<void, DirectoryNotEmpty>(target, path, (actor) =>
        Effect.catchTag(files.remove(actor, path, options), "DirectoryNotEmpty", (error) =>
          Effect.fail(new Given(error)),
        ),
      ),
    /** As `DriverFiles.moveFile`. */
    moveFile: (target: Target, from: FilePath, to: FilePath) =>
      at<void, AlreadyExists>(target, from, (actor) =>
        Effect.catchTag(files.move(actor, from, to), "AlreadyExists", (error) =>
          Effect.fail(new Given(error)),
        ),
      ),
    /** As `DriverFiles.searchFolder`. */
    searchFolder: (target: Target, path: FilePath, { include, ...search }: FolderSearch) =>
      stream<FileMatch, InvalidInput>(target, path, (actor) =>
        folders
          .search(actor, path, { ...search, glob: include })
          .pipe(Stream.catchTag("InvalidInput", (error) => Stream.fail(new Given(error)))),
      ),
    /** As `DriverFiles.watchFolder`. */
    watchFolder: (target: Target, path: FilePath, options: FolderWatch) =>
      Stream.map(
        stream(target, path, (actor) => folders.watch(actor, path, options)),
        changeOf,
      ),
    /** The first bytes of kernel files, as the sandbox sees them. Missing files are left out. */
    gather: (target: Target, paths: readonly [string, ...ReadonlyArray<string>]) =>
      stream(target, paths[0], (actor) => files.gather(actor, paths)),
    /** Fails if the sandbox does not have the user that its commands run as. */
    checkUser: (target: Target): Effect.Effect<void, InvalidInput | HostError> =>
      requireUser(connections, target).pipe(
        Effect.catchTag("InitLost", (lost) => Effect.fail(brokenConnection(engine, lost, ""))),
      ),
    /**
     * Gives the working folder, which the engine made as root, to the sandbox's user if the folder
     * is empty.
     */
    ownWorkdir: (target: Target, path: string, user: string) =>
      at({ ...target, user: "0" }, path, (actor) => files.own(actor, path, user)),
  }
}
export type ContainerFiles = ReturnType<typeof makeContainerFiles>

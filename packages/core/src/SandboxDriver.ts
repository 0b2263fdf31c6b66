import { Context, Data, type Duration, Effect, type Scope, type Stream } from "effect"
import {
  type AlreadyExists,
  type CreateError,
  type DirectoryNotEmpty,
  type ExecError,
  type FileError,
  type HostError,
  type InvalidInput,
  type PortUnavailable,
  type PortUnreachable,
  type ProcessNameTaken,
  type ProcessNotFound,
  type ProcessNotStarted,
  type SandboxNotFound,
  type SandboxNotRunning,
  type SnapshotInUse,
  type SnapshotNameTaken,
  type SnapshotNotFound,
  Unsupported,
} from "./errors.ts"
import type { EgressAttempt, EgressPolicy } from "./values/Egress.ts"
import type { ExecEvent, ExecRequest, Terminal, TerminalRequest } from "./values/Exec.ts"
import type { FilePath } from "./values/FilePath.ts"
import type { FileEntry, FileMatch, FileStat } from "./values/Files.ts"
import type { FolderChange, FolderSearch, FolderWatch } from "./values/Folders.ts"
import type { HostCapacity, Limits } from "./values/Limits.ts"
import type { PortConnection } from "./values/PortConnection.ts"
import type { AttachedProcess, ProcessInfo, ProcessRequest } from "./values/Process.ts"
import type { ImageAccess } from "./values/Registry.ts"
import type { Isolation, Runtime } from "./values/Runtime.ts"
import type { SandboxInfo, SandboxSpec, SnapshotInfo } from "./values/Sandbox.ts"
import type { SandboxId } from "./values/SandboxId.ts"
import type { SandboxName } from "./values/SandboxName.ts"
import type { SandboxUser } from "./values/SandboxUser.ts"
import type { SessionKey } from "./values/Session.ts"
import type { SandboxStats } from "./values/Stats.ts"
import type { Tags } from "./values/Tags.ts"

/**
 * What a driver may lack: `processes` that outlive the command that started them, `ports` that can be
 * dialled, `pause`, `terminals`, `snapshots`, `stats`, `egress` (allow-lists of destinations),
 * `git` (the image's own, which cloning needs).
 */
export type Feature =
  | "processes"
  | "ports"
  | "pause"
  | "terminals"
  | "snapshots"
  | "stats"
  | "egress"
  | "git"

/** A runtime on offer, as the host has it registered. */
export interface RuntimeOffer {
  readonly runtime: Runtime
  readonly isolation: Isolation
  /**
   * Whether files outlive a stop. Where they don't, the driver refuses to stop a running sandbox,
   * and an idle one runs on until it is removed.
   */
  readonly keepsFiles: boolean
}

/** What a host offers, so that a program can choose before it creates. */
export interface DriverCapabilities {
  /** The driver's own name: `memory`, `docker`. */
  readonly driver: string
  /** The host in words, for people: engine, version and endpoint. */
  readonly host: string
  /**
   * Identifies the host, by whatever way and process it is reached: in a lease store that several
   * hosts share it tells whose a sandbox is.
   */
  readonly hostId: string
  /**
   * What may differ between hosts that say the same `hostId`, as clones of a machine do: its name,
   * say. A lease store lets only one of such hosts use the ID.
   */
  readonly hostMark?: string
  /** Runtimes on offer. */
  readonly runtimes: ReadonlyArray<RuntimeOffer>
  /** Which limits are enforced rather than merely recorded. */
  readonly enforced: { readonly [limit in keyof Limits]-?: boolean }
  readonly capacity: HostCapacity
  readonly features: ReadonlyArray<Feature>
  /** What a user of this driver must not rely on, a sentence each. */
  readonly caveats: ReadonlyArray<string>
}

/** A step of making an image available. */
export interface PullProgress {
  readonly image: string
  readonly status: string
  readonly layer?: string
  /** Bytes. */
  readonly current?: number
  readonly total?: number
}

/** What happened to sandboxes of any session and any process on the host. */
export type SandboxEvent = Data.TaggedEnum<{
  Created: { readonly id: SandboxId }
  Started: { readonly id: SandboxId }
  Stopped: { readonly id: SandboxId }
  Removed: { readonly id: SandboxId }
  OutOfMemory: { readonly id: SandboxId }
}>
export const SandboxEvent = Data.taggedEnum<SandboxEvent>()

/** What pausing and resuming may fail with. */
export type PauseError = SandboxNotFound | SandboxNotRunning | Unsupported | HostError

/** What dialling a port of a sandbox may fail with; `PortUnreachable` where nothing listens. */
export type DialError =
  | SandboxNotFound
  | SandboxNotRunning
  | PortUnreachable
  | Unsupported
  | HostError

/** What listening on a port of a sandbox may fail with; `PortUnavailable` where it is taken. */
export type ListenError =
  | SandboxNotFound
  | SandboxNotRunning
  | PortUnavailable
  | Unsupported
  | HostError

/** A snapshot that was just taken. */
export interface TakenSnapshot extends SnapshotInfo {
  /** The allow-list of the sandbox, where it has one. */
  readonly egress?: EgressPolicy
}

/** What starting a background process may fail with. */
export type StartError = ExecError | ProcessNameTaken | ProcessNotStarted | Unsupported

/** What asking for background processes may fail with. */
export type ListError = SandboxNotFound | SandboxNotRunning | Unsupported | HostError

/** What using a background process may fail with. */
export type AttachError = ListError | ProcessNotFound

/** The part of a file that is read, and how. */
export interface FileRange {
  /** Bytes from the file's beginning: 0 where absent. */
  readonly offset?: number | undefined
  /** Bytes: all that follow where absent. */
  readonly length?: number | undefined
  /** Whether pieces are lent: their memory may be used again once `giveBack` has given them back. */
  readonly lent?: boolean | undefined
}

/** A file on its way into a sandbox. */
export interface FileContent<E> {
  readonly bytes: Stream.Stream<Uint8Array, E>
  /** Bytes; give it where it is known: a shorter or longer stream is then refused as a whole. */
  readonly size?: number | undefined
  /** Permission bits for a new file (default 0o644); an existing file keeps its own where absent. */
  readonly mode?: number | undefined
  /** What the file is dated; now where absent. */
  readonly modifiedAt?: Date | undefined
}

/**
 * What every driver does: the port behind which containers of any kind, or none, live.
 *
 * A driver keeps no policy: sessions, defaults, leases and quotas are the core's. It guarantees
 * that a failed or interrupted `create` leaves nothing behind, that an interrupted `exec` leaves
 * no process behind, and that files are read and written with the rights of the sandbox's user.
 * It acts on no other incarnation than the one that its caller holds a lease on, where there is
 * one: see `requireIncarnation`.
 */
export class SandboxDriver extends Context.Service<
  SandboxDriver,
  {
    readonly capabilities: Effect.Effect<DriverCapabilities, HostError>

    /** Makes and starts a sandbox; it answers `exec` as soon as this succeeds. */
    readonly create: (
      request: {
        readonly id: SandboxId
        readonly session: SessionKey
        readonly spec: SandboxSpec
        /**
         * The incarnation of this ID that is condemned, where its host still has it: the new one is
         * made beside it, and the ID stands for the new one from then on.
         */
        readonly instead?: string | undefined
        /**
         * With whose credentials its image is pulled; without any where absent. It is no part of the spec,
         * since drivers keep the spec with the sandbox.
         */
        readonly access?: ImageAccess | undefined
      },
      onProgress?: (progress: PullProgress) => Effect.Effect<void>,
    ) => Effect.Effect<SandboxInfo, CreateError>

    /** Starts a stopped or paused sandbox; no effect on a running one. */
    readonly start: (id: SandboxId) => Effect.Effect<void, SandboxNotFound | HostError>

    /**
     * Lets a running sandbox live for so many milliseconds while no program is connected to it, from the time that
     * the last one is gone; no effect on one that does not run, and until its next start only. Absent where a sandbox
     * does not end by itself.
     */
    readonly outlive?: (
      id: SandboxId,
      milliseconds: number,
    ) => Effect.Effect<void, SandboxNotFound | HostError>

    /** Stops a running sandbox, keeping its files; no effect on a stopped one. */
    readonly stop: (id: SandboxId) => Effect.Effect<void, SandboxNotFound | HostError>

    /**
     * Freezes a running sandbox with all its processes and what they hold in memory; no effect on a
     * paused one. `start` resumes it as well.
     */
    readonly pause: (id: SandboxId) => Effect.Effect<void, PauseError>

    /** Lets a paused sandbox go on; no effect on a running one. */
    readonly resume: (id: SandboxId) => Effect.Effect<void, PauseError>

    /**
     * Removes a sandbox with its files and its network. With `instanceId`, only that incarnation:
     * another one under the same ID is `SandboxNotFound`. Where there is none at all, what a
     * broken-off `create` or `remove` left of it goes as well.
     */
    readonly remove: (
      id: SandboxId,
      instanceId?: string,
    ) => Effect.Effect<void, SandboxNotFound | HostError>

    readonly inspect: (id: SandboxId) => Effect.Effect<SandboxInfo, SandboxNotFound | HostError>

    /** All sandboxes on the host, or those of one session or with all of some tags, oldest first. */
    readonly list: (
      session?: SessionKey,
      tags?: Tags,
    ) => Effect.Effect<ReadonlyArray<SandboxInfo>, HostError>

    /** Runs a command; ending the stream early kills it. */
    readonly exec: (id: SandboxId, request: ExecRequest) => Stream.Stream<ExecEvent, ExecError>

    /**
     * Shells that keep their state between commands, of a driver that can't run the scripts by which they
     * do elsewhere; absent by default. A `name` belongs to whoever begins it, and nobody can guess it.
     */
    readonly shells?:
      | {
          /** Begins a shell in the folder and with the variables of a request, whose command is not run. */
          readonly begin: (
            id: SandboxId,
            name: string,
            request: ExecRequest,
          ) => Effect.Effect<void, ExecError>
          /**
           * Runs a script in it. The next script goes on with the state that this one leaves, or, if this one
           * is killed, with the state before it.
           *
           * @param forgets variables that are no part of the state
           */
          readonly exec: (
            id: SandboxId,
            name: string,
            request: ExecRequest,
            forgets: ReadonlyArray<string>,
          ) => Stream.Stream<ExecEvent, ExecError>
          readonly end: (id: SandboxId, name: string) => Effect.Effect<void>
        }
      | undefined

    /**
     * Who a user is in a running sandbox.
     *
     * @param user a name, a number, or either with `:group`; the sandbox's own user where absent. One
     * that the sandbox does not have is `InvalidInput`, as it is to `exec`
     */
    readonly identify: (id: SandboxId, user?: string) => Effect.Effect<SandboxUser, ExecError>

    /**
     * Keeps the files of a sandbox as an image of its session, from which others can be made: no
     * other session can, nor sees it. What is held in memory is not part of it.
     *
     * @param options.passing not listed, and removed together with the last sandbox that is made from it, or
     * by `sweep` if none is made
     */
    readonly snapshot: (
      id: SandboxId,
      name: SandboxName,
      options?: { readonly passing?: boolean },
    ) => Effect.Effect<TakenSnapshot, SnapshotNameTaken | SandboxNotFound | Unsupported | HostError>

    /**
     * All snapshots on the host, or those of one session, oldest first.
     *
     * @param passing the passing ones as well
     */
    readonly snapshots: (
      session?: SessionKey,
      passing?: boolean,
    ) => Effect.Effect<ReadonlyArray<SnapshotInfo>, Unsupported | HostError>

    readonly removeSnapshot: (
      session: SessionKey,
      name: SandboxName,
    ) => Effect.Effect<void, SnapshotNotFound | SnapshotInUse | Unsupported | HostError>

    /**
     * Runs a command on a terminal of its own. It is killed with the scope, and with all that it
     * started.
     */
    readonly terminal: (
      id: SandboxId,
      request: TerminalRequest,
    ) => Effect.Effect<Terminal, ExecError | Unsupported, Scope.Scope>

    /**
     * Starts a process that belongs to the sandbox: it outlives the call, this program and its connection.
     * What it writes is kept, as far back as the driver can. The name of one that runs is taken; one that
     * has ended is forgotten for it, with all that it left running. An interruption leaves no process.
     */
    readonly startProcess: (
      id: SandboxId,
      request: ProcessRequest,
    ) => Effect.Effect<void, StartError>

    /** All background processes that were not forgotten, oldest first. Asking is no use of the sandbox. */
    readonly listProcesses: (id: SandboxId) => Effect.Effect<ReadonlyArray<ProcessInfo>, ListError>

    /**
     * Attaches to a background process, running or not. The end of the scope leaves the process alone.
     *
     * @param position where its output is wanted from, in bytes from its start, both outputs together; what
     * is not there any more is `Lost`, and what is beyond its end is its end
     */
    readonly attachProcess: (
      id: SandboxId,
      name: string,
      position: number,
    ) => Effect.Effect<AttachedProcess<AttachError>, AttachError, Scope.Scope>

    /**
     * Ends a background process with all that it started, and returns once nothing of it is left: SIGTERM
     * to its process group, and SIGKILL for what is left after the grace. One that has ended is only
     * relieved of what it left running.
     */
    readonly endProcess: (
      id: SandboxId,
      name: string,
      options: {
        readonly grace: Duration.Duration
        /** Whether its name, its output and its exit code stay. */
        readonly keepLog: boolean
      },
    ) => Effect.Effect<void, AttachError>

    /**
     * Connects to a TCP port of the sandbox's loopback interface: to `127.0.0.1`, and to `::1` where
     * nothing listens there. The network of the sandbox and the tools of its image make no difference.
     * The connection is closed with the scope.
     *
     * @param port from 1 to 65535
     */
    readonly dial: (
      id: SandboxId,
      port: number,
    ) => Effect.Effect<PortConnection<DialError>, DialError, Scope.Scope>

    /**
     * Listens on a TCP port of the sandbox's `127.0.0.1`, until the scope ends or the sandbox does. Neither this nor
     * what connects there is a use of the sandbox: code inside must not prolong its own lease.
     *
     * @param port from 1 to 65535
     * @returns waits for the next connection, which is closed with its scope; any number may wait at once
     */
    readonly listen: (
      id: SandboxId,
      port: number,
    ) => Effect.Effect<
      Effect.Effect<PortConnection<DialError>, DialError, Scope.Scope>,
      ListenError,
      Scope.Scope
    >

    /**
     * What a running sandbox uses now. It is asked often, so it must be cheap; it is no use of the sandbox.
     * A number that is not known is left out.
     */
    readonly stats: (id: SandboxId) => Effect.Effect<SandboxStats, FileError | Unsupported>

    readonly stat: (id: SandboxId, path: FilePath) => Effect.Effect<FileStat, FileError>

    /**
     * Streams a regular file, or `length` bytes of it from `offset`. `lent`: the pieces are the reader's only
     * until `giveBack` gives them back, and their memory may be used again then.
     */
    readonly readFile: (
      id: SandboxId,
      path: FilePath,
      range?: FileRange,
    ) => Stream.Stream<Uint8Array, FileError>

    /** Writes a file whole or not at all; parent folders are made, a symlink is written through. */
    readonly writeFile: <E>(
      id: SandboxId,
      path: FilePath,
      content: FileContent<E>,
    ) => Effect.Effect<void, FileError | E>

    /**
     * Streams a folder's contents as a tar archive, its entries relative to the folder. The second name
     * of a file may come as a hard link to an earlier entry.
     */
    readonly getArchive: (id: SandboxId, path: FilePath) => Stream.Stream<Uint8Array, FileError>

    /** Unpacks a tar archive into a folder, which is made where it is missing; entries keep their times. */
    readonly putArchive: <E>(
      id: SandboxId,
      path: FilePath,
      archive: Stream.Stream<Uint8Array, E>,
    ) => Effect.Effect<void, FileError | E>

    /**
     * Streams what is in a folder, and below it as many folders deep as `depth` says: 1 for its own
     * entries. Paths are relative to the folder, each folder comes before what is in it, links are not
     * followed, and folders below that the user may not look into seem to be empty. Names that begin with
     * `.cordon-` are passed over, as they are by `searchFolder` and `watchFolder`.
     */
    readonly listFolder: (
      id: SandboxId,
      path: FilePath,
      depth: number,
    ) => Stream.Stream<FileEntry, FileError>

    /** Makes a folder and those above it; no effect where it is there. */
    readonly makeFolder: (id: SandboxId, path: FilePath) => Effect.Effect<void, FileError>

    /**
     * Removes a file, a link (not what it leads to) or a folder: with all that is in it where that is
     * said, else only an empty one.
     */
    readonly removeFile: (
      id: SandboxId,
      path: FilePath,
      options: { readonly recursive: boolean },
    ) => Effect.Effect<void, FileError | DirectoryNotEmpty>

    /**
     * Moves a file, a link or a folder; folders above its new place are made. A file there is replaced by
     * a file, everything else is `AlreadyExists`; a folder that is moved into itself is `InvalidPath`.
     */
    readonly moveFile: (
      id: SandboxId,
      from: FilePath,
      to: FilePath,
    ) => Effect.Effect<void, FileError | AlreadyExists>

    /**
     * Streams the lines that match, file by file, with paths relative to the folder. Links are not
     * followed, and files with NUL characters are passed over. A pattern that is none is `InvalidInput`.
     */
    readonly searchFolder: (
      id: SandboxId,
      path: FilePath,
      search: FolderSearch,
    ) => Stream.Stream<FileMatch, FileError | InvalidInput>

    /**
     * Streams what happens in a folder, a first look at it before all else; paths are relative to it. It
     * goes on while the folder is away, which counts as empty, and ends only by failing. Links are not
     * followed. Ending the stream leaves nothing behind in the sandbox.
     */
    readonly watchFolder: (
      id: SandboxId,
      path: FilePath,
      options: FolderWatch,
    ) => Stream.Stream<FolderChange, FileError>

    /**
     * Where a sandbox with an allow-list tried to go, oldest first, as far back as the host keeps
     * it; nothing for one without.
     */
    readonly egressAttempts: (
      id: SandboxId,
    ) => Effect.Effect<ReadonlyArray<EgressAttempt>, SandboxNotFound | HostError | Unsupported>

    /** Events from now on; it ends only by failing. */
    readonly events: Stream.Stream<SandboxEvent, HostError>

    /**
     * Removes what a crashed `create` left behind (a network without a sandbox), if it is older
     * than `olderThan`.
     *
     * @returns the names of what was removed
     */
    readonly sweep: (
      olderThan: Duration.Duration,
    ) => Effect.Effect<ReadonlyArray<string>, HostError>
  }
>()("@cordon/core/SandboxDriver") {}

/** The methods of a driver that has none of the features that a driver may lack. */
export const unsupportedFeatures = (driver: string) => {
  const refuse = (feature: Feature) => () => Effect.fail(new Unsupported({ feature, driver }))
  return {
    pause: refuse("pause"),
    resume: refuse("pause"),
    terminal: refuse("terminals"),
    startProcess: refuse("processes"),
    listProcesses: refuse("processes"),
    attachProcess: refuse("processes"),
    endProcess: refuse("processes"),
    dial: refuse("ports"),
    listen: refuse("ports"),
    stats: refuse("stats"),
    snapshot: refuse("snapshots"),
    snapshots: refuse("snapshots"),
    removeSnapshot: refuse("snapshots"),
    egressAttempts: refuse("egress"),
  }
}

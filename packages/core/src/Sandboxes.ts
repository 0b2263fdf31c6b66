import { randomBytes } from "node:crypto"
import {
  Context,
  Duration,
  Effect,
  Exit,
  flow,
  Layer,
  Option,
  Redacted,
  Schema,
  type Scope,
  Semaphore,
  Stream,
} from "effect"
import { download } from "./Download.ts"
import { checkEgress, type EgressRules, isEgressRules } from "./egress/EgressRules.ts"
import { makeWaysOut, type SetError } from "./egress/waysOut.ts"
import {
  type AlreadyExists,
  type Closed,
  CommandFailed,
  type CreateError,
  type DirectoryNotEmpty,
  type ExecError,
  ExecTimedOut,
  type FileError,
  FileTooLarge,
  type HostError,
  InvalidInput,
  type InvalidLimits,
  invalidInput,
  type LeaseError,
  type LeaseLost,
  type LeaseStoreFailed,
  type NotAllowed,
  type NotText,
  OutOfMemory,
  SandboxNotFound,
  type SnapshotInUse,
  type SnapshotNameTaken,
  SnapshotNotFound,
  type TooManyFiles,
  Unsupported,
} from "./errors.ts"
import { Incarnation } from "./Incarnation.ts"
import { accessTo } from "./imageAccess.ts"
import type { LeaseStore } from "./LeaseStore.ts"
import { Leases } from "./Leases.ts"
import { leaseStoreMemory } from "./leases/memoryStore.ts"
import { createDuration, execDuration } from "./metrics.ts"
import { collectOutput } from "./Output.ts"
import type { Policy } from "./Policy.ts"
import {
  type DriverCapabilities,
  type Feature,
  type PullProgress,
  SandboxDriver,
} from "./SandboxDriver.ts"
import type { SessionFiles } from "./SessionFiles.ts"
import { Settings, type SettingsInput } from "./Settings.ts"
import { makeEgress, type SandboxEgress } from "./sandbox/egress.ts"
import {
  type ListOptions,
  makeFolders,
  type RemoveOptions,
  type SearchOptions,
  type SearchResult,
} from "./sandbox/folders.ts"
import { type Git, makeGit } from "./sandbox/git.ts"
import { makePaths, type PathError } from "./sandbox/home.ts"
import {
  makeShells,
  type SandboxShell,
  type ShellError,
  type ShellNeeds,
  type ShellOptions,
} from "./sandbox/lastingShell.ts"
import { makePorts, type Ports } from "./sandbox/ports.ts"
import { makeProcesses, type Processes } from "./sandbox/processes.ts"
import type { RunCommand } from "./sandbox/shell.ts"
import { type StatsError, type WatchStatsOptions, watchStats } from "./sandbox/stats.ts"
import {
  checkSize,
  type SandboxTerminal,
  shell,
  type TerminalError,
  type TerminalOptions,
} from "./sandbox/terminal.ts"
import { makeWatch, type WatchError, type WatchOptions } from "./sandbox/watch.ts"
import { decodeFilter, pageOf, type SandboxFilter, type SandboxPage } from "./session/finding.ts"
import { type Owner, openOwner } from "./session/Owner.ts"
import { plan } from "./session/plan.ts"
import { makeUnenforcedWarning } from "./session/unenforced.ts"
import { type OnTransfer, type TransferError, type TransferReport, upload } from "./Transfer.ts"
import type { ExecEvent, ExecRequest, ExecResult, OutputEvent } from "./values/Exec.ts"
import type { FilePath } from "./values/FilePath.ts"
import type { FileEntry, FileEvent, FileStat } from "./values/Files.ts"
import { checkCredentials, type RegistryCredentialsInput } from "./values/Registry.ts"
import {
  CreateOptions,
  Environment,
  type SandboxInfo,
  type SnapshotInfo,
  User,
} from "./values/Sandbox.ts"
import { resolveSandboxId, type SandboxId, sandboxId } from "./values/SandboxId.ts"
import { SandboxName } from "./values/SandboxName.ts"
import { SessionId, type SessionKey, sessionKey } from "./values/Session.ts"
import type { SandboxStats } from "./values/Stats.ts"
import { decodeText, encodeText, textProblem } from "./values/Text.ts"

/** How a command runs; every part has a default. */
export interface ExecOptions {
  /**
   * Relative to the sandbox's working directory, which is also the default; `~` is the home folder of
   * the user that the command runs as.
   */
  readonly cwd?: string | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
  /** A name or number, optionally with a group (`1000:1000`); the sandbox's user by default. */
  readonly user?: string | undefined
  /** Fed to standard input, which is empty by default. */
  readonly stdin?: string | Uint8Array | Stream.Stream<Uint8Array> | undefined
  /** After this the command and its children are killed; see `Settings` for the default. */
  readonly timeout?: Duration.Input | undefined
  /** Bytes kept of each output, head and tail; see `Settings` for the default. */
  readonly outputLimit?: number | undefined
  /** Sees `exec`'s output as it comes, uncut; a slow one slows the command down. */
  readonly onOutput?: ((output: OutputEvent) => Effect.Effect<void>) | undefined
}

/**
 * Values by the names of environment variables, for each command that is run through this program
 * (`exec`, background processes, terminals) and nothing else: they are kept in its memory, and are
 * no part of the sandbox's configuration, its labels, snapshots, logs or errors. Code in the sandbox
 * can read them; another program that uses the sandbox has to give them again.
 */
export type Secrets = Readonly<Record<string, string | Redacted.Redacted<string>>>

/** What a creation is given that is kept nowhere but in this program's memory. */
export interface CreateSecrets {
  readonly secrets?: Secrets | undefined
  /**
   * Credentials by registry, in place of all others for the image of this one creation. Its registry is
   * asked then even where the host has the image, so that a creation gets only what its own credentials
   * open. They are sent to the engine with the pull, and nowhere else.
   */
  readonly registryCredentials?: RegistryCredentialsInput | undefined
}

/** What a program says again of a sandbox that it finds: it is kept in no other place. */
export interface GetOptions {
  /** In place of those that it had in this program. */
  readonly secrets?: Secrets | undefined
  /**
   * The rules of its way out, as for `egress.update`. A program that was started again is no way out until it says them, and
   * nothing gets out meanwhile. A stopped sandbox is started.
   */
  readonly egress?: EgressRules | undefined
}

/** The part of a file that is read; all of it by default. */
export interface ReadOptions {
  /** Bytes. */
  readonly offset?: number | undefined
  /** Bytes. */
  readonly length?: number | undefined
}

/** How a file is written. */
export interface WriteOptions {
  /** Permission bits of a new file, 0o644 by default. */
  readonly mode?: number | undefined
  /** Bytes; only needed for a stream, and worth giving there: a short stream is then noticed. */
  readonly size?: number | undefined
}

/**
 * The files of a sandbox. Relative paths start at its working directory; `~` and `~/x` are in the home
 * folder of its user, as they are to its shell, and `./~` is a file that is called `~`.
 */
export interface SandboxFiles {
  /** The absolute path that a path stands for, whether something is there or not. */
  readonly resolve: (path: string) => Effect.Effect<FilePath, PathError>
  /** Reads a file whole, or a part of it. Fails with `FileTooLarge` beyond `Settings.fileLimit`. */
  readonly read: (
    path: string,
    options?: ReadOptions,
  ) => Effect.Effect<Uint8Array, FileError | FileTooLarge | LeaseError>
  /**
   * As `read`, decoded as UTF-8: all of it, a byte order mark too, so that what is read and written
   * back is the same file. What is not UTF-8 fails with `NotText`.
   */
  readonly readText: (
    path: string,
  ) => Effect.Effect<string, FileError | FileTooLarge | NotText | LeaseError>
  /** Streams a file of any size. */
  readonly stream: (
    path: string,
    options?: ReadOptions,
  ) => Stream.Stream<Uint8Array, FileError | LeaseError>
  /** Writes a file whole or not at all; parent folders are made. Text is written as UTF-8. */
  readonly write: <E = never>(
    path: string,
    content: string | Uint8Array | Stream.Stream<Uint8Array, E>,
    options?: WriteOptions,
  ) => Effect.Effect<void, E | FileError | InvalidInput | LeaseError>
  readonly stat: (path: string) => Effect.Effect<FileStat, FileError | LeaseError>
  readonly exists: (path: string) => Effect.Effect<boolean, FileError | LeaseError>
  /** The entries of a folder (the working directory by default), ordered by path. */
  readonly list: (
    path?: string,
    options?: ListOptions,
  ) => Effect.Effect<ReadonlyArray<FileEntry>, FileError | LeaseError | TooManyFiles | InvalidInput>
  /** Makes a folder and those above it; no effect where it is there. */
  readonly makeDirectory: (path: string) => Effect.Effect<void, FileError | LeaseError>
  /** Renames a file or folder; a file in its new place is replaced, a folder is not. */
  readonly move: (
    from: string,
    to: string,
  ) => Effect.Effect<void, FileError | LeaseError | AlreadyExists>
  /** Removes a file, a symlink (not what it leads to) or a folder. */
  readonly remove: (
    path: string,
    options?: RemoveOptions,
  ) => Effect.Effect<void, FileError | LeaseError | DirectoryNotEmpty>
  /** Finds lines that hold the pattern in text files; symlinks are not followed. */
  readonly search: (
    pattern: string,
    options?: SearchOptions,
  ) => Effect.Effect<SearchResult, FileError | LeaseError | InvalidInput>
  /**
   * What is created, changed and removed in a folder (the working directory by default), once
   * `Ready` has come. What comes and goes within an interval (100 milliseconds by default) is not told.
   * It ends when the sandbox is stopped or removed; a folder that goes away counts as empty. It is a
   * use of the sandbox for as long as it runs, as any command is.
   */
  readonly watch: (path?: string, options?: WatchOptions) => Stream.Stream<FileEvent, WatchError>
  /** Copies a file or folder from session storage into the sandbox. */
  readonly upload: (
    from: string,
    to: string,
    onProgress?: OnTransfer,
  ) => Effect.Effect<TransferReport, TransferError | LeaseError, SessionFiles>
  /** Copies a file or folder from the sandbox into session storage. */
  readonly download: (
    from: string,
    to: string,
    onProgress?: OnTransfer,
  ) => Effect.Effect<TransferReport, TransferError | LeaseError, SessionFiles>
}

/** A sandbox of a session. Every use renews its lease. */
export interface Sandbox {
  readonly id: SandboxId
  readonly name: SandboxName
  /** As it was when this handle was made; `inspect` asks again. */
  readonly info: SandboxInfo
  readonly inspect: Effect.Effect<SandboxInfo, SandboxNotFound | HostError | Closed>
  /**
   * Runs a command to its end, whatever its exit code. A string is a script for bash, or for sh where
   * the image has no bash; an array is a program with its exact arguments.
   */
  readonly exec: (
    command: ExecRequest["command"],
    options?: ExecOptions,
  ) => Effect.Effect<ExecResult, ExecError | LeaseError>
  /** As `exec`, but fails unless the command ends with exit code 0. */
  readonly run: (
    command: ExecRequest["command"],
    options?: ExecOptions,
  ) => Effect.Effect<
    ExecResult,
    ExecError | LeaseError | CommandFailed | ExecTimedOut | OutOfMemory
  >
  /** Output as it comes, uncut; ending the stream early kills the command. */
  readonly execStream: (
    command: ExecRequest["command"],
    options?: ExecOptions,
  ) => Stream.Stream<ExecEvent, ExecError | LeaseError>
  /**
   * Opens a shell that keeps its folder, variables and functions between commands, until the scope
   * closes. Each command has its own output, exit code and timeout, and survives no more than the
   * shell does: one that is killed leaves the shell as it was before it.
   *
   * It is the image's bash, else its sh, which keeps no functions, aliases and arrays.
   */
  readonly shell: (options?: ShellOptions) => Effect.Effect<SandboxShell, ShellError, Scope.Scope>
  readonly files: SandboxFiles
  readonly git: Git
  readonly processes: Processes
  readonly ports: Ports
  /** Opens a terminal, where the driver has `terminals`. Its output must be read to hold the lease. */
  readonly terminal: (
    options?: TerminalOptions,
  ) => Effect.Effect<SandboxTerminal, TerminalError | Unsupported, Scope.Scope>
  /**
   * Keeps its files as a snapshot of the session, which `create` can make sandboxes from, any number
   * of times. It outlives the sandbox and this program: remove it when it is no longer needed.
   */
  readonly snapshot: (
    name?: string,
  ) => Effect.Effect<SnapshotInfo, LeaseError | InvalidInput | SnapshotNameTaken | Unsupported>
  /**
   * Makes another sandbox of the session with the same files, environment, limits, runtime, network,
   * allow-list and secrets; where the driver has `snapshots`. Processes and what they hold in memory are not
   * part of it. What is made on the way goes with the new sandbox, or at once where that fails.
   */
  readonly fork: (
    options?: ForkOptions,
  ) => Effect.Effect<
    Sandbox,
    CreateError | InvalidInput | LeaseError | SnapshotNameTaken | SnapshotNotFound | SetError
  >
  /** Freezes it with all its processes and their memory; the lease runs on. */
  readonly pause: Effect.Effect<void, LeaseError | Unsupported>
  /** Lets it go on after a pause. */
  readonly resume: Effect.Effect<void, LeaseError | Unsupported>
  /** Where it may go, and where it tried to. */
  readonly egress: SandboxEgress
  /**
   * What it uses now: CPU time, memory, processes, disks and network. It has to run. Reading does not
   * count as use of the sandbox.
   */
  readonly stats: Effect.Effect<SandboxStats, StatsError>
  /** `stats` from now on, again and again; it ends when the sandbox is stopped, paused or removed. */
  readonly watchStats: (
    options?: WatchStatsOptions,
  ) => Stream.Stream<SandboxStats, StatsError | InvalidInput>
  /**
   * Lets the sandbox count as used for so long from now on, though nobody uses it: `idleTimeout` and
   * `removeTimeout` begin after that. The latest end of what was asked for holds; it is never shortened. All
   * programs with one lease store keep to it; a store in memory keeps it for its own program. It starts
   * nothing. The most that may be asked for is `extensionLimit` of the settings (`InvalidInput`): 1 hour.
   */
  readonly extend: (duration: Duration.Input) => Effect.Effect<void, LeaseError | InvalidInput>
  readonly start: Effect.Effect<void, LeaseError>
  readonly stop: Effect.Effect<void, LeaseError>
  readonly remove: Effect.Effect<void, LeaseError>
}

/** What a fork has of its own. */
export type ForkOptions = Pick<CreateOptions, "name" | "tags">

/** The snapshots of one session; others' do not exist to it. */
export interface Snapshots {
  /** Oldest first. */
  readonly list: Effect.Effect<ReadonlyArray<SnapshotInfo>, Unsupported | HostError | Closed>
  /** Fails with `SnapshotInUse` while there are sandboxes that were made from it. */
  readonly remove: (
    name: string,
  ) => Effect.Effect<
    void,
    InvalidInput | SnapshotNotFound | SnapshotInUse | Unsupported | HostError | Closed
  >
}

/** The sandboxes of one session; others' do not exist to it. */
export interface SandboxSession {
  readonly create: (
    options?: CreateOptions & CreateSecrets,
    onProgress?: (progress: PullProgress) => Effect.Effect<void>,
  ) => Effect.Effect<
    Sandbox,
    CreateError | InvalidInput | SnapshotNotFound | LeaseLost | LeaseStoreFailed | Closed | SetError
  >
  /** Finds a sandbox by its name or ID. */
  readonly get: (
    reference: string,
    options?: GetOptions,
  ) => Effect.Effect<
    Sandbox,
    SandboxNotFound | InvalidInput | NotAllowed | HostError | Closed | SetError
  >
  /** Oldest first. */
  readonly list: Effect.Effect<ReadonlyArray<SandboxInfo>, HostError | Closed>
  /** Those that have some tags or are in some state, oldest first, a page at a time. */
  readonly find: (
    filter?: SandboxFilter,
  ) => Effect.Effect<SandboxPage, InvalidInput | HostError | Closed>
  readonly snapshots: Snapshots
}

/** How a session is opened. */
export interface SessionOptions {
  /** Whether closing it removes what was created through it; as `Settings` say by default. */
  readonly removeOnClose?: boolean | undefined
}

/** What a program uses: sandboxes by session. */
export class Sandboxes extends Context.Service<
  Sandboxes,
  {
    /**
     * The sandboxes of a session, however many sessions there are. What is created through it is
     * removed when these `Sandboxes` close, unless `removeOnClose` is false.
     */
    readonly session: (id: string) => Effect.Effect<SandboxSession, InvalidInput>
    /**
     * As `session`, until the scope closes: that breaks off its calls, removes what was created
     * through it and nothing else, and refuses what comes later with `Closed`. The same ID may be
     * opened again and again, also at the same time: each owns what was created through it.
     */
    readonly openSession: (
      id: string,
      options?: SessionOptions,
    ) => Effect.Effect<SandboxSession, InvalidInput, Scope.Scope>
    readonly capabilities: Effect.Effect<DriverCapabilities, HostError | Closed>
    /** The most that a creation may ask for. */
    readonly policy: Policy
  }
>()("@cordon/core/Sandboxes") {
  /** Over a lease store and leases of the program's own. */
  static readonly layerLeases: Layer.Layer<
    Sandboxes,
    InvalidInput,
    SandboxDriver | Leases | Settings
  > = Layer.effect(
    Sandboxes,
    Effect.suspend(() => make),
  )

  /** Over a lease store of the program's own. */
  static readonly layerStore = (
    settings: SettingsInput = {},
  ): Layer.Layer<Sandboxes, InvalidInput | InvalidLimits, SandboxDriver | LeaseStore> =>
    Sandboxes.layerLeases.pipe(Layer.provide(Leases.layer), Layer.provide(Settings.layer(settings)))

  /** With leases in memory: all that a single process needs beside a driver. */
  static readonly layer = (
    settings: SettingsInput = {},
  ): Layer.Layer<Sandboxes, InvalidInput | InvalidLimits, SandboxDriver> =>
    Layer.provide(Sandboxes.layerStore(settings), leaseStoreMemory)

  /** Creates a sandbox that is removed with the scope. */
  static readonly scoped = (
    session: SandboxSession,
    options?: Parameters<SandboxSession["create"]>[0],
  ) =>
    Effect.acquireRelease(session.create(options), (sandbox) =>
      sandbox.remove.pipe(
        Effect.catchTag("SandboxNotFound", () => Effect.void),
        Effect.catch((error) =>
          Effect.logWarning("Could not remove a sandbox", { sandbox: sandbox.id, error }),
        ),
      ),
    )
}

const ExecOptionsChecked = Schema.Struct({
  env: Schema.optional(Environment),
  user: Schema.optional(User),
  outputLimit: Schema.optional(Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0)))),
})
const decodeExecOptions = Schema.decodeUnknownEffect(ExecOptionsChecked)
const noExecOptions = Effect.succeed<typeof ExecOptionsChecked.Type>({})

const checkExecOptions = ({ env, user, outputLimit }: ExecOptions) =>
  env === undefined && user === undefined && outputLimit === undefined
    ? noExecOptions
    : decodeExecOptions({
        ...(env === undefined ? {} : { env }),
        ...(user === undefined ? {} : { user }),
        ...(outputLimit === undefined ? {} : { outputLimit }),
      }).pipe(Effect.mapError(invalidInput("exec options")))

/** Looks at the values itself: a schema's refusal may repeat what it refuses. */
const checkSecrets = Effect.fnUntraced(function* (secrets: Secrets) {
  const values: Record<string, string> = {}
  for (const [name, secret] of Object.entries(secrets)) {
    const value: unknown = Redacted.isRedacted(secret) ? Redacted.value(secret) : secret
    if (typeof value !== "string" || value.includes("\0") || !value.isWellFormed()) {
      return yield* new InvalidInput({
        subject: "secrets",
        issue: `the value of ${JSON.stringify(name)} must be well-formed text without NUL characters`,
      })
    }
    values[name] = value
  }
  const names = Object.fromEntries(Object.keys(values).map((name) => [name, ""]))
  yield* Effect.mapError(Schema.decodeUnknownEffect(Environment)(names), invalidInput("secrets"))
  return values
})

const snapshotName = (name: string) =>
  Effect.mapError(Schema.decodeUnknownEffect(SandboxName)(name), invalidInput("name of a snapshot"))

const commandProblem = (command: ExecRequest["command"]): string | undefined => {
  const parts = typeof command === "string" ? [command] : command
  if (parts[0] === undefined || parts[0].trim() === "") return "the command is empty"
  if (parts.some((part) => part.includes("\0"))) return "the command contains a NUL character"
  const illFormed = parts.map(textProblem).find((problem) => problem !== undefined)
  if (illFormed !== undefined) return illFormed
  // Linux refuses a single argument of 128 KiB and more.
  if (parts.some((part) => Buffer.byteLength(part) >= 128 * 1024)) {
    return "the command is longer than 128 KiB; write it to a file and run that"
  }
  return undefined
}

/** Milliseconds by which a lease is extended. */
const checkExtension = (duration: Duration.Input, limit: Duration.Duration) => {
  const lasting = Option.map(Duration.fromInput(duration), Duration.toMillis)
  return Option.isSome(lasting) && lasting.value > 0 && lasting.value <= Duration.toMillis(limit)
    ? Effect.succeed(lasting.value)
    : Effect.fail(
        new InvalidInput({
          subject: "extension",
          issue: `it must be a duration of more than zero and of at most ${Duration.format(limit)} (extensionLimit of the settings)`,
        }),
      )
}

/** By when a sandbox must be ready for a command: what that has itself, and some seconds. */
const readyBy = (timeout: Duration.Duration | undefined) =>
  timeout === undefined ? undefined : Duration.sum(timeout, Duration.seconds(8))

const stdinStream = (stdin: NonNullable<ExecOptions["stdin"]>) =>
  typeof stdin === "string"
    ? Effect.map(encodeText("stdin", stdin), Stream.succeed)
    : Effect.succeed(stdin instanceof Uint8Array ? Stream.succeed(stdin) : stdin)

const make = Effect.gen(function* () {
  const driver = yield* SandboxDriver
  const leases = yield* Leases
  const settings = yield* Settings
  const capabilities = yield* Effect.cachedWithTTL(driver.capabilities, (exit) =>
    Exit.isSuccess(exit) ? Duration.minutes(1) : 0,
  )
  const tellUnenforced = makeUnenforcedWarning()
  // By incarnation: a sandbox that is made anew under the same name has none of them.
  const secretsOf = new Map<string, Environment>()
  const waysOut = yield* makeWaysOut
  const ownRules = settings.policy.defaults.egress
  if (ownRules !== undefined && isEgressRules(ownRules)) yield* waysOut.check(ownRules)
  const { quotas } = settings

  /** Lets go of what this program alone had of a sandbox that is gone. */
  const forget = (info: SandboxInfo) =>
    Effect.andThen(
      Effect.sync(() => secretsOf.delete(info.instanceId)),
      waysOut.drop(info),
    )

  const removing = yield* Semaphore.make(8)
  const removeOnClosing = (info: SandboxInfo) =>
    removing.withPermit(leases.remove(info)).pipe(
      Effect.ensuring(forget(info)),
      Effect.as(true),
      Effect.catchTag("SandboxNotFound", () => Effect.succeed(true)),
      Effect.catch((error) =>
        Effect.as(
          Effect.logWarning("Could not remove a sandbox on closing", { sandbox: info.id, error }),
          // The reaper removes a condemned sandbox: closing need not keep it in mind.
          error._tag === "SandboxCondemned",
        ),
      ),
    )
  const root = yield* openOwner("scope of these sandboxes", settings.removeOnClose, removeOnClosing)

  const handle = (info: SandboxInfo, owner: Owner): Sandbox => {
    const { id, workdir } = info
    const { whileOpen } = owner
    const use: ReturnType<typeof leases.use> = flow(leases.use(info), whileOpen)
    const useStream: ReturnType<typeof leases.useStream> = flow(
      leases.useStream(info),
      owner.streamWhileOpen,
    )
    /** As `use` and `useStream`, for a command that has so long. */
    const useFor = ({ timeout }: ExecRequest): typeof use =>
      flow(leases.use(info, readyBy(timeout)), whileOpen)
    const streamFor = ({ timeout }: ExecRequest): typeof useStream =>
      flow(leases.useStream(info, readyBy(timeout)), owner.streamWhileOpen)
    const { execTimeout } = settings
    const runOn: RunCommand = (request) => streamFor(request)(driver.exec(id, request))
    const runHelper: RunCommand = (request) =>
      runOn({ ...(Duration.isFinite(execTimeout) ? { timeout: execTimeout } : {}), ...request })

    const at = makePaths((user) => use(driver.identify(id, user)), workdir)

    const timeoutOf = Effect.fnUntraced(function* (given: Duration.Input = execTimeout) {
      const timeout = Duration.fromInput(given)
      if (timeout._tag === "Some" && Duration.toMillis(timeout.value) > 0) return timeout.value
      return yield* new InvalidInput({
        subject: "timeout",
        issue: "it must be a duration of more than zero, in milliseconds or such as '30 seconds'",
      })
    })

    const prepare = Effect.fnUntraced(function* (
      command: ExecRequest["command"],
      options: ExecOptions,
    ) {
      const problem = commandProblem(command)
      if (problem !== undefined) {
        return yield* new InvalidInput({ subject: "command", issue: problem })
      }
      const checked = yield* checkExecOptions(options)
      const timeout = yield* timeoutOf(options.timeout)
      const request: ExecRequest = {
        command,
        ...(options.cwd === undefined
          ? {}
          : { cwd: yield* at(options.cwd, checked.user, readyBy(timeout)) }),
        env: { ...waysOut.env(info), ...secretsOf.get(info.instanceId), ...checked.env },
        ...(checked.user === undefined ? {} : { user: checked.user }),
        ...(options.stdin === undefined ? {} : { stdin: yield* stdinStream(options.stdin) }),
        ...(Duration.isFinite(timeout) ? { timeout } : {}),
      }
      return {
        request,
        outputLimit: checked.outputLimit ?? settings.outputLimit,
        timeout,
      }
    })

    const collect: ShellNeeds["collect"] = (request, events, { onOutput, outputLimit }) => {
      const watched =
        onOutput === undefined
          ? events
          : Stream.tap(events, (event) => (event._tag === "Exit" ? Effect.void : onOutput(event)))
      return useFor(request)(collectOutput(watched, outputLimit))
    }

    const exec = Effect.fn("Sandbox.exec")(
      function* (command: ExecRequest["command"], options: ExecOptions = {}) {
        const { request, outputLimit } = yield* prepare(command, options)
        const events = driver.exec(id, request)
        return yield* collect(request, events, { ...options, outputLimit })
      },
      Effect.annotateSpans({ "sandbox.id": id }),
      Effect.trackDuration(execDuration),
    )

    const stream: SandboxFiles["stream"] = (path, options) =>
      Stream.unwrap(Effect.map(at(path), (at) => useStream(driver.readFile(id, at, options))))

    const read = Effect.fn("Sandbox.files.read")(function* (
      path: string,
      options: ReadOptions = {},
    ) {
      const limit = settings.fileLimit
      // Asks for one byte more than is allowed: enough to tell that there is more.
      const wanted = { ...options, length: Math.min(options.length ?? limit + 1, limit + 1) }
      const bytes = Buffer.concat(yield* Stream.runCollect(stream(path, wanted)))
      if (bytes.length > limit) {
        const { size } = yield* stat(path)
        return yield* new FileTooLarge({ path, size, limit })
      }
      return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
    })

    const stat = Effect.fn("Sandbox.files.stat")(function* (path: string) {
      return yield* use(driver.stat(id, yield* at(path)))
    })

    const files: SandboxFiles = {
      ...makeFolders({ driver, id, at, use }),
      watch: makeWatch({
        driver,
        id,
        at,
        useStream,
        running: driver.inspect(id).pipe(
          Effect.map(
            ({ instanceId, status }) => instanceId === info.instanceId && status === "running",
          ),
          Effect.catch(({ _tag }) => Effect.succeed(_tag !== "SandboxNotFound")),
        ),
      }),
      stream,
      read,
      stat,
      resolve: (path) => at(path),
      exists: (path) =>
        stat(path).pipe(
          Effect.as(true),
          Effect.catchTag("FileNotFound", () => Effect.succeed(false)),
        ),
      readText: (path) => Effect.flatMap(read(path), (bytes) => decodeText(path, bytes)),
      write: Effect.fn("Sandbox.files.write")(function* (path, content, options = {}) {
        const mode = options.mode === undefined ? {} : { mode: options.mode }
        const target = yield* at(path)
        if (typeof content === "string" || content instanceof Uint8Array) {
          const bytes =
            typeof content === "string" ? yield* encodeText("content", content) : content
          return yield* use(
            driver.writeFile(id, target, {
              bytes: Stream.succeed(bytes),
              size: bytes.length,
              ...mode,
            }),
          )
        }
        const size = options.size === undefined ? {} : { size: options.size }
        yield* use(driver.writeFile(id, target, { bytes: content, ...size, ...mode }))
      }),
      upload: Effect.fnUntraced(function* (from, to, onProgress) {
        return yield* use(upload(driver, id, from, yield* at(to), onProgress))
      }),
      download: Effect.fnUntraced(function* (from, to, onProgress) {
        const limit = settings.transferLimit
        return yield* use(download(driver, id, yield* at(from), to, limit, onProgress))
      }),
    }

    /** Refuses what the driver lacks before anything is tried. */
    const need = (feature: Feature) =>
      Effect.gen(function* () {
        const { driver, features } = yield* capabilities
        if (!features.includes(feature)) return yield* new Unsupported({ feature, driver })
      })

    const processes = makeProcesses({
      id,
      driver,
      use,
      useStream,
      prepare: (command, options) =>
        Effect.map(prepare(command, options), ({ request }) => request),
      available: need("processes"),
      outputLimit: settings.outputLimit,
    })

    const terminal: Sandbox["terminal"] = Effect.fn("Sandbox.terminal")(function* (options = {}) {
      yield* need("terminals")
      const size = yield* checkSize(options.size ?? { columns: 80, rows: 24 })
      const { request } = yield* prepare(options.command ?? shell, options)
      const { output, write, resize, exit } = yield* useFor(request)(
        driver.terminal(id, { ...request, size }),
      )
      return {
        output: useStream(output),
        write: (data) =>
          typeof data === "string"
            ? Effect.flatMap(encodeText("input of the terminal", data), write)
            : write(data),
        resize: (size) => Effect.flatMap(checkSize(size), resize),
        exit,
      }
    })

    const ask = leases.ask(info)
    const stats = whileOpen(
      Effect.andThen(
        need("stats"),
        // What was made anew under the same name has a handle of its own.
        ask(Effect.provideService(driver.stats(id), Incarnation, info)),
      ),
    )

    const self: Sandbox = {
      id,
      name: info.name,
      info,
      stats,
      watchStats: (options) => watchStats(stats, options),
      processes,
      git: makeGit({
        run: runHelper,
        runOn,
        at,
        timeoutOf,
        available: need("git"),
        image: info.image,
        name: info.name,
      }),
      ports: makePorts({ id, driver, use, available: need("ports") }),
      terminal,
      shell: makeShells({
        id,
        driver,
        workdir,
        prepare,
        collect,
        use,
        ask: (question) => whileOpen(ask(Effect.provideService(question, Incarnation, info))),
        secretNames: () => Object.keys(secretsOf.get(info.instanceId) ?? {}),
      }),
      inspect: whileOpen(ask(driver.inspect(id))),
      exec,
      run: Effect.fnUntraced(function* (command, options = {}) {
        const result = yield* exec(command, options)
        const { stdout, stderr, exitCode } = result
        if (result.timedOut) {
          const { timeout } = yield* prepare(command, options)
          return yield* new ExecTimedOut({ timeout: Duration.toMillis(timeout), stdout, stderr })
        }
        if (result.oomKilled) return yield* new OutOfMemory({ sandbox: info.name })
        if (exitCode !== 0) return yield* new CommandFailed({ exitCode, stdout, stderr })
        return result
      }),
      execStream: (command, options = {}) =>
        Stream.unwrap(
          Effect.map(prepare(command, options), ({ request }) =>
            streamFor(request)(driver.exec(id, request)),
          ),
        ),
      files,
      snapshot: Effect.fn("Sandbox.snapshot")(function* (name) {
        const chosen = name ?? `snapshot-${randomBytes(4).toString("hex")}`
        const { egress: _, ...taken } = yield* use(driver.snapshot(id, yield* snapshotName(chosen)))
        return taken
      }),
      fork: Effect.fn("Sandbox.fork")(function* ({ name, tags } = {}) {
        yield* need("snapshots")
        const passing = SandboxName.make(`fork-${randomBytes(8).toString("hex")}`)
        const { runtime, limits, network } = info
        const create = createIn(info.session, owner)
        return yield* use(driver.snapshot(id, passing, { passing: true })).pipe(
          Effect.flatMap(({ image, egress }) =>
            create(
              {
                ...{ runtime, limits, network, workdir },
                ...(egress === undefined ? {} : { egress }),
                ...(name === undefined ? {} : { name }),
                ...(tags === undefined ? {} : { tags }),
                secrets: secretsOf.get(info.instanceId) ?? {},
              },
              undefined,
              { image, rules: waysOut.of(info)?.rules() },
            ),
          ),
          Effect.onError(() => Effect.ignore(driver.removeSnapshot(info.session, passing))),
        )
      }),
      pause: use(driver.pause(id)),
      resume: use(driver.resume(id)),
      egress: makeEgress({
        waysOut,
        policy: settings.policy,
        owner,
        listed: whileOpen(ask(driver.egressAttempts(id))),
        sandbox: () => self,
      }),
      extend: (duration) =>
        Effect.flatMap(checkExtension(duration, settings.extensionLimit), (lasting) =>
          whileOpen(leases.extend(info, lasting)),
        ),
      start: whileOpen(leases.start(info)),
      stop: whileOpen(leases.stop(info)),
      remove: whileOpen(leases.remove(info)).pipe(
        Effect.tap(() =>
          Effect.andThen(
            Effect.sync(() => owner.disown(info)),
            forget(info),
          ),
        ),
      ),
    }
    return self
  }

  /** @param from the image of a snapshot of the session, in place of what the options say */
  const createIn = (key: SessionKey, owner: Owner) => {
    const findSnapshot = (name: SandboxName) =>
      Effect.gen(function* () {
        const found = (yield* driver.snapshots(key)).find((snapshot) => snapshot.name === name)
        return found ?? (yield* new SnapshotNotFound({ snapshot: name }))
      })

    return Effect.fn("Sandboxes.create")(function* (
      options: NonNullable<Parameters<SandboxSession["create"]>[0]> = {},
      onProgress?: Parameters<SandboxSession["create"]>[1],
      from?: { readonly image: SnapshotInfo["image"]; readonly rules?: EgressRules | undefined },
    ) {
      const { egress: asked, ...others } = options
      const wanted = {
        ...(yield* Schema.decodeUnknownEffect(CreateOptions)(others).pipe(
          Effect.mapError(invalidInput("sandbox options")),
        )),
        egress: asked && (yield* checkEgress("sandbox options (egress)", asked)),
      }
      const secrets = yield* checkSecrets(options.secrets ?? {})
      const given = yield* checkCredentials(
        "registryCredentials",
        options.registryCredentials ?? {},
      )
      const name = wanted.name ?? SandboxName.make(`box-${randomBytes(4).toString("hex")}`)
      const id = sandboxId(key, name)
      yield* Effect.annotateCurrentSpan({ "sandbox.id": id })
      const host = yield* capabilities
      const planned = yield* plan(name, wanted, { settings, host, store: leases.store })
      const rules = planned.rules ?? from?.rules
      if (rules !== undefined) yield* waysOut.check(rules)
      yield* tellUnenforced(planned.spec.limits, host)
      const snapshot =
        wanted.snapshot === undefined ? from?.image : (yield* findSnapshot(wanted.snapshot)).image
      const image = snapshot ?? wanted.image ?? settings.image
      // A snapshot is the session's own, and comes from no registry.
      const access = snapshot === undefined ? accessTo(settings, image, given) : undefined
      const makeWith = (env: Environment) => {
        const spec = { ...planned.spec, image, env: { ...env, ...planned.spec.env } }
        const request = { id, session: key, spec }
        const make = Effect.flatMap(leases.remnant(id), (instead) =>
          driver.create(
            {
              ...request,
              ...(access === undefined ? {} : { access }),
              ...(instead === undefined ? {} : { instead }),
            },
            onProgress,
          ),
        )
        return leases.create(request, quotas)(make)
      }
      const made =
        rules === undefined
          ? makeWith({})
          : waysOut.around(rules, id, makeWith, (info) => handle(info, owner))
      const info = yield* owner.creating(made).pipe(Effect.trackDuration(createDuration))
      secretsOf.set(info.instanceId, secrets)
      return handle(info, owner)
    })
  }

  const sessionOf = (key: SessionKey, owner: Owner): SandboxSession => {
    const { whileOpen } = owner

    const get: SandboxSession["get"] = Effect.fnUntraced(function* (reference, options = {}) {
      const secrets = options.secrets && (yield* checkSecrets(options.secrets))
      const id = resolveSandboxId(key, reference)
      const unknown = new SandboxNotFound({ sandbox: reference })
      if (id === undefined) return yield* unknown
      const info = yield* leases
        .find(id)
        .pipe(Effect.catchTag("SandboxNotFound", () => Effect.fail(unknown)))
      // The ID holds only a part of the key: what decides is the whole one.
      if (info.session !== key) return yield* unknown
      if (secrets !== undefined) secretsOf.set(info.instanceId, secrets)
      const sandbox = handle(info, owner)
      if (options.egress !== undefined) yield* sandbox.egress.update(options.egress)
      return sandbox
    })

    const snapshots: Snapshots = {
      list: whileOpen(driver.snapshots(key)),
      remove: Effect.fnUntraced(function* (name) {
        yield* whileOpen(driver.removeSnapshot(key, yield* snapshotName(name)))
      }),
    }

    const create = createIn(key, owner)
    return {
      create: (options, onProgress) => create(options, onProgress),
      get: (reference, options) => whileOpen(get(reference, options)),
      list: whileOpen(leases.list(key)),
      find: Effect.fn("Sandboxes.find")(function* (filter = {}) {
        const wanted = yield* Effect.mapError(decodeFilter(filter), invalidInput("filter"))
        return pageOf(yield* whileOpen(leases.list(key, wanted.tags)), wanted)
      }),
      snapshots,
    }
  }

  const keyOf = (id: string) =>
    Schema.decodeUnknownEffect(SessionId)(id).pipe(
      Effect.mapBoth({ onFailure: invalidInput("session ID"), onSuccess: sessionKey }),
    )

  return Sandboxes.of({
    session: (id) => Effect.map(keyOf(id), (key) => sessionOf(key, root)),
    openSession: Effect.fnUntraced(function* (id, options = {}) {
      const key = yield* keyOf(id)
      const subject = `session ${JSON.stringify(id.slice(0, 100))}`
      const removeOnClose = options.removeOnClose ?? settings.removeOnClose
      return sessionOf(key, yield* root.open(subject, removeOnClose))
    }),
    capabilities: root.whileOpen(capabilities),
    policy: settings.policy,
  })
})

import { randomUUID } from "node:crypto"
import { Cause, Effect, Exit, Layer, Logger, ManagedRuntime, Scope, Stream } from "effect"
import {
  type CordonError,
  type InvalidInput,
  type InvalidLimits,
  SandboxNotFound,
} from "./errors.ts"
import type { LeaseStore } from "./LeaseStore.ts"
import { leaseStoreMemory } from "./LeaseStore.ts"
import type { DriverCapabilities, PullProgress, SandboxDriver } from "./SandboxDriver.ts"
import {
  type ExecOptions as EffectExecOptions,
  type Sandbox as EffectSandbox,
  type ReadOptions,
  Sandboxes,
  type Secrets,
  type WriteOptions,
} from "./Sandboxes.ts"
import type { SessionFiles } from "./SessionFiles.ts"
import type { SettingsInput } from "./Settings.ts"
import type { ListOptions, RemoveOptions, SearchOptions, SearchResult } from "./sandbox/folders.ts"
import type { ClonedRepository, CloneOptions } from "./sandbox/git.ts"
import type { ExposedPort, ExposeOptions, WaitOptions } from "./sandbox/ports.ts"
import type {
  BackgroundProcess,
  FollowOptions,
  KillOptions,
  LogOptions,
  ProcessInfo,
  ProcessLogs,
  StartOptions,
} from "./sandbox/processes.ts"
import type { TerminalOptions } from "./sandbox/terminal.ts"
import type { WatchOptions } from "./sandbox/watch.ts"
import { sessionFilesMemory } from "./session-files/memory.ts"
import type { TransferProgress, TransferReport } from "./Transfer.ts"
import type { EgressAttempt } from "./values/Egress.ts"
import type {
  ExecEvent,
  ExecRequest,
  ExecResult,
  OutputEvent,
  TerminalSize,
} from "./values/Exec.ts"
import type { FileEntry, FileEvent, FileStat } from "./values/Files.ts"
import type { CreateOptions, SandboxInfo, SnapshotInfo } from "./values/Sandbox.ts"

/** Bytes or text, whole or as they come. */
export type Content = string | Uint8Array | AsyncIterable<Uint8Array>

/** Ends the call early; what it started is undone or killed before the promise rejects. */
export interface Abortable {
  readonly signal?: AbortSignal
}

export interface PromiseExecOptions
  extends Omit<EffectExecOptions, "stdin" | "onOutput">,
    Abortable {
  /** Gets `exec`'s and `run`'s standard output as it comes, as text. */
  readonly onStdout?: (text: string) => void
  readonly onStderr?: (text: string) => void
  /** Fed to standard input, which is empty by default. */
  readonly stdin?: Content
}

export interface TransferOptions extends Abortable {
  /** Called some times a second while the transfer runs, and once when it is done. */
  readonly onProgress?: (progress: TransferProgress) => void
}

/** The files of a sandbox. Relative paths start at its working directory. */
export interface PromiseSandboxFiles {
  /** Reads a file whole, or a part of it; rejects with `FileTooLarge` beyond the `fileLimit`. */
  readonly read: (path: string, options?: ReadOptions & Abortable) => Promise<Uint8Array>
  /** As `read`, decoded as UTF-8. */
  readonly readText: (path: string, options?: Abortable) => Promise<string>
  /** A file of any size, in pieces. */
  readonly stream: (path: string, options?: ReadOptions) => AsyncIterable<Uint8Array>
  /** Writes a file whole or not at all; parent folders are made. */
  readonly write: (
    path: string,
    content: Content,
    options?: WriteOptions & Abortable,
  ) => Promise<void>
  readonly stat: (path: string, options?: Abortable) => Promise<FileStat>
  readonly exists: (path: string, options?: Abortable) => Promise<boolean>
  /** The entries of a folder (the working directory by default), ordered by path. */
  readonly list: (
    path?: string,
    options?: ListOptions & Abortable,
  ) => Promise<ReadonlyArray<FileEntry>>
  /** Makes a folder and those above it; no effect where it is there. */
  readonly makeDirectory: (path: string, options?: Abortable) => Promise<void>
  /** Renames a file or folder; a file in its new place is replaced, a folder is not. */
  readonly move: (from: string, to: string, options?: Abortable) => Promise<void>
  /** Removes a file, a symlink (not what it leads to) or a folder. */
  readonly remove: (path: string, options?: RemoveOptions & Abortable) => Promise<void>
  /** Finds lines that hold the pattern in text files; symlinks are not followed. */
  readonly search: (pattern: string, options?: SearchOptions & Abortable) => Promise<SearchResult>
  /**
   * What is created, changed and removed in a folder (the working directory by default), once
   * `Ready` has come. It looks from time to time: what comes and goes between two looks is not seen.
   * It ends when the sandbox is stopped or removed, or the loop is left; the signal rejects it. It is
   * a use of the sandbox for as long as it runs, as any command is.
   */
  readonly watch: (path?: string, options?: WatchOptions & Abortable) => AsyncIterable<FileEvent>
  /** Copies a file or folder from session storage into the sandbox. */
  readonly upload: (from: string, to: string, options?: TransferOptions) => Promise<TransferReport>
  /** Copies a file or folder from the sandbox into session storage. */
  readonly download: (
    from: string,
    to: string,
    options?: TransferOptions,
  ) => Promise<TransferReport>
}

/** Git in a sandbox, with the git of its image. */
export interface PromiseGit {
  /**
   * Clones a repository over HTTPS (or HTTP), as the sandbox's user. It is there whole or not at all.
   * Credentials may also stand in the URL, and do not stay in it.
   */
  readonly clone: (url: string, options?: CloneOptions & Abortable) => Promise<ClonedRepository>
}

/** A process that outlives the command that started it, with all that it starts. */
export interface PromiseProcess {
  readonly name: string
  readonly inspect: (options?: Abortable) => Promise<ProcessInfo>
  /** The ends of what it wrote so far. */
  readonly logs: (options?: LogOptions & Abortable) => Promise<ProcessLogs>
  /** What it writes as it comes, then its exit. Leaving the loop leaves the process alone. */
  readonly follow: (options?: FollowOptions) => AsyncIterable<ExecEvent>
  /** Waits for its end. @returns its exit code */
  readonly wait: (options?: Abortable) => Promise<number>
  /** Ends it and all that it started: SIGTERM, and SIGKILL for what is left after the grace. */
  readonly kill: (options?: KillOptions & Abortable) => Promise<void>
  /** Kills it and removes its logs. */
  readonly remove: (options?: Abortable) => Promise<void>
}

/**
 * Background processes. Their state and logs are in the sandbox: whoever finds the sandbox finds
 * them, and a stop of the sandbox ends them. They do not count as use of the sandbox.
 */
export interface PromiseProcesses {
  readonly start: (
    command: ExecRequest["command"],
    options?: StartOptions & Abortable,
  ) => Promise<PromiseProcess>
  readonly get: (name: string, options?: Abortable) => Promise<PromiseProcess>
  /** Oldest first, the ended ones too. */
  readonly list: (options?: Abortable) => Promise<ReadonlyArray<ProcessInfo>>
}

/** A port of a sandbox that this machine can connect to. `await using` closes it. */
export interface PromiseExposedPort extends ExposedPort, AsyncDisposable {
  /** Ends its connections and listens no longer. */
  readonly close: () => Promise<void>
}

/** The TCP ports of a sandbox, whatever its network: also with none. */
export interface PromisePorts {
  /** Those that something listens on, in order. */
  readonly list: (options?: Abortable) => Promise<ReadonlyArray<number>>
  /** Waits until something listens on the port. */
  readonly wait: (port: number, options?: WaitOptions & Abortable) => Promise<void>
  /**
   * Listens on 127.0.0.1 and passes each connection's bytes on to the loopback interface of the
   * sandbox: HTTP, WebSocket, whatever is spoken there. Every program of this machine can connect.
   */
  readonly expose: (
    port: number,
    options?: ExposeOptions & Abortable,
  ) => Promise<PromiseExposedPort>
}

/** A command on a terminal of its own. `await using` ends it at the end of the block. */
export interface PromiseTerminal extends AsyncDisposable {
  /** What the terminal shows, control sequences and all; ends with the command. */
  readonly output: AsyncIterable<Uint8Array>
  /** Types: `"ls\n"`, or `"\x03"` for control-C. */
  readonly write: (data: string | Uint8Array) => Promise<void>
  readonly resize: (size: TerminalSize) => Promise<void>
  /** Waits for the command's end. @returns its exit code */
  readonly wait: (options?: Abortable) => Promise<number>
  /** Kills the command and all that it started. */
  readonly close: () => Promise<void>
}

/** A sandbox. `await using` removes it at the end of the block. */
export interface PromiseSandbox extends AsyncDisposable {
  readonly id: string
  readonly name: string
  /** As it was when this handle was made; `inspect` asks again. */
  readonly info: SandboxInfo
  readonly inspect: (options?: Abortable) => Promise<SandboxInfo>
  /** Runs a command to its end, whatever its exit code. A string is a script for `/bin/sh -c`. */
  readonly exec: (
    command: ExecRequest["command"],
    options?: PromiseExecOptions,
  ) => Promise<ExecResult>
  /** As `exec`, but rejects unless the command ends with exit code 0. */
  readonly run: (
    command: ExecRequest["command"],
    options?: PromiseExecOptions,
  ) => Promise<ExecResult>
  /** Output as it comes, uncut; leaving the loop kills the command. */
  readonly execStream: (
    command: ExecRequest["command"],
    options?: Omit<PromiseExecOptions, "signal">,
  ) => AsyncIterable<ExecEvent>
  readonly files: PromiseSandboxFiles
  readonly git: PromiseGit
  readonly processes: PromiseProcesses
  readonly ports: PromisePorts
  /** Opens a terminal, where the driver has `terminals`. Its output must be read to hold the lease. */
  readonly terminal: (options?: TerminalOptions & Abortable) => Promise<PromiseTerminal>
  /**
   * Keeps its files as a snapshot of the session, which `create` can make sandboxes from, any number
   * of times. It outlives the sandbox and this program: remove it when it is no longer needed.
   */
  readonly snapshot: (name?: string, options?: Abortable) => Promise<SnapshotInfo>
  /** Freezes it with all its processes and their memory; the lease runs on. */
  readonly pause: (options?: Abortable) => Promise<void>
  /** Lets it go on after a pause. */
  readonly resume: (options?: Abortable) => Promise<void>
  /** Where it tried to go under its allow-list, oldest first. */
  readonly egressAttempts: (options?: Abortable) => Promise<ReadonlyArray<EgressAttempt>>
  readonly start: (options?: Abortable) => Promise<void>
  readonly stop: (options?: Abortable) => Promise<void>
  readonly remove: (options?: Abortable) => Promise<void>
}

/** The snapshots of one session. */
export interface PromiseSnapshots {
  /** Oldest first. */
  readonly list: (options?: Abortable) => Promise<ReadonlyArray<SnapshotInfo>>
  /** Rejects with `SnapshotInUse` while there are sandboxes that were made from it. */
  readonly remove: (name: string, options?: Abortable) => Promise<void>
}

/** The sandboxes of one session. Every rejection is a {@link CordonError}: look at its `_tag`. */
export interface PromiseSandboxes extends AsyncDisposable {
  readonly sessionId: string
  readonly create: (
    options?: CreateOptions &
      Abortable & {
        readonly secrets?: Secrets
        readonly onProgress?: (progress: PullProgress) => void
      },
  ) => Promise<PromiseSandbox>
  /** Finds a sandbox by its name or ID; secrets that are given replace those it had here. */
  readonly get: (
    reference: string,
    options?: { readonly secrets?: Secrets } & Abortable,
  ) => Promise<PromiseSandbox>
  /** Oldest first. */
  readonly list: (options?: Abortable) => Promise<ReadonlyArray<SandboxInfo>>
  readonly snapshots: PromiseSnapshots
  readonly capabilities: (options?: Abortable) => Promise<DriverCapabilities>
  /** Another session on the same driver; closing this one closes it too. */
  readonly session: (sessionId: string) => PromiseSandboxes
  /** Removes the sandboxes that were created here (unless `removeOnClose` is false) and lets go. */
  readonly close: () => Promise<void>
}

/** What sandboxes run on, and how they are made and kept. */
export interface CreateSandboxesOptions extends SettingsInput {
  /** A driver's layer: `memory()`, `docker()`. */
  readonly driver: Layer.Layer<SandboxDriver, CordonError>
  /** Who owns the sandboxes; a random one by default. Give your own to find them again later. */
  readonly sessionId?: string
  /** Where uploads come from and downloads go to; memory by default. */
  readonly files?: Layer.Layer<SessionFiles, CordonError>
  /** Where leases are kept; memory by default. */
  readonly leaseStore?: Layer.Layer<LeaseStore, CordonError>
}

type Services = Sandboxes | SessionFiles
type Runtime = ManagedRuntime.ManagedRuntime<Services, CordonError | InvalidInput | InvalidLimits>

/**
 * Sandboxes for programs that do not use Effect.
 *
 * @example
 * await using sandboxes = createSandboxes({ driver: docker() })
 * await using sandbox = await sandboxes.create()
 * const { stdout } = await sandbox.run("echo hello")
 */
export const createSandboxes = (options: CreateSandboxesOptions): PromiseSandboxes => {
  return sessionOf(ManagedRuntime.make(layerSandboxes(options)), options.sessionId ?? randomUUID())
}

/**
 * What `createSandboxes` runs on, for other faces without Effect. Logs go to standard error:
 * standard output is the program's own, and often a protocol's.
 */
export const layerSandboxes = ({
  driver,
  sessionId: _,
  files = sessionFilesMemory,
  leaseStore = leaseStoreMemory,
  ...settings
}: CreateSandboxesOptions) =>
  Sandboxes.layerStore(settings).pipe(
    Layer.provide(driver),
    Layer.provide(leaseStore),
    Layer.provideMerge(files),
    Layer.provideMerge(Layer.succeed(Logger.LogToStderr, true)),
  )

/** Runs an effect and rejects with its error itself, not with a wrapper around it. */
const run = async <A, E>(
  runtime: Runtime,
  effect: Effect.Effect<A, E, Services>,
  options: Abortable = {},
): Promise<A> => {
  const exit = await runtime.runPromiseExit(
    effect,
    options.signal === undefined ? {} : { signal: options.signal },
  )
  if (Exit.isSuccess(exit)) return exit.value
  if (Cause.hasInterruptsOnly(exit.cause) && options.signal?.aborted) throw options.signal.reason
  throw Cause.squash(exit.cause)
}

/** Acquires what has to be closed: by `close`, or at once where the acquisition fails. */
const scoped = async <A, E>(
  runtime: Runtime,
  effect: Effect.Effect<A, E, Services | Scope.Scope>,
  options?: Abortable,
): Promise<{ readonly value: A; readonly close: () => Promise<void> }> => {
  const scope = await run(runtime, Scope.make())
  const close = () => run(runtime, Scope.close(scope, Exit.void))
  const acquire = Effect.onError(Scope.provide(effect, scope), (cause) =>
    Scope.close(scope, Exit.failCause(cause)),
  )
  return { value: await run(runtime, acquire, options), close }
}

const iterable = <A, E>(
  runtime: Runtime,
  stream: Stream.Stream<A, E, Services>,
  { signal }: Abortable = {},
): AsyncIterable<A> => ({
  [Symbol.asyncIterator]: async function* () {
    const context = await runtime.context()
    const abortable = signal === undefined ? stream : Stream.interruptWhen(stream, aborted(signal))
    yield* Stream.toAsyncIterable(Stream.provideContext(abortable, context))
  },
})

/** Fails with the signal's reason. */
const aborted = (signal: AbortSignal) =>
  Effect.callback<never, unknown>((resume) => {
    const abort = () => resume(Effect.fail(signal.reason))
    if (signal.aborted) return abort()
    signal.addEventListener("abort", abort)
    return Effect.sync(() => signal.removeEventListener("abort", abort))
  })

/** Hands pieces of output on as text; a character may begin in one and end in the next. */
const textOutput = (
  onStdout: ((text: string) => void) | undefined,
  onStderr: ((text: string) => void) | undefined,
) => {
  const decoders = { Stdout: new TextDecoder(), Stderr: new TextDecoder() }
  return ({ _tag, bytes }: OutputEvent) =>
    Effect.sync(() => {
      const text = decoders[_tag].decode(bytes, { stream: true })
      if (text !== "") (_tag === "Stdout" ? onStdout : onStderr)?.(text)
    })
}

/** A source that throws must end the call with what it threw. */
const contentStream = (content: Content) =>
  typeof content === "string" || content instanceof Uint8Array
    ? content
    : Stream.orDie(Stream.fromAsyncIterable(content, (cause) => cause))

const onTransfer = ({ onProgress }: TransferOptions = {}) =>
  onProgress && ((progress: TransferProgress) => Effect.sync(() => onProgress(progress)))

const sessionOf = (runtime: Runtime, sessionId: string): PromiseSandboxes => {
  const session = Effect.flatMap(Sandboxes, (sandboxes) => sandboxes.session(sessionId))
  const close = () => runtime.dispose()
  return {
    sessionId,
    create: async ({ signal, onProgress, ...options } = {}) => {
      const report =
        onProgress && ((progress: PullProgress) => Effect.sync(() => onProgress(progress)))
      return await run(
        runtime,
        Effect.flatMap(session, (session) => session.create(options, report)),
        signal === undefined ? {} : { signal },
      ).then((sandbox) => handleOf(runtime, sandbox))
    },
    get: async (reference, options) =>
      handleOf(
        runtime,
        await run(
          runtime,
          Effect.flatMap(session, (session) => session.get(reference, options)),
          options,
        ),
      ),
    list: (options) =>
      run(
        runtime,
        Effect.flatMap(session, (session) => session.list),
        options,
      ),
    snapshots: {
      list: (options) =>
        run(
          runtime,
          Effect.flatMap(session, (session) => session.snapshots.list),
          options,
        ),
      remove: (name, options) =>
        run(
          runtime,
          Effect.flatMap(session, (session) => session.snapshots.remove(name)),
          options,
        ),
    },
    capabilities: (options) =>
      run(
        runtime,
        Effect.flatMap(Sandboxes, (sandboxes) => sandboxes.capabilities),
        options,
      ),
    session: (other) => sessionOf(runtime, other),
    close,
    [Symbol.asyncDispose]: close,
  }
}

const handleOf = (runtime: Runtime, sandbox: EffectSandbox): PromiseSandbox => {
  const { files, git, processes, ports } = sandbox
  const processOf = (process: BackgroundProcess): PromiseProcess => ({
    name: process.name,
    inspect: (options) => run(runtime, process.inspect, options),
    logs: (options) => run(runtime, process.logs(options), options),
    follow: (options) => iterable(runtime, process.follow(options)),
    wait: (options) => run(runtime, process.wait, options),
    kill: (options) => run(runtime, process.kill(options), options),
    remove: (options) => run(runtime, process.remove, options),
  })
  const execOptions = ({
    stdin,
    signal: _,
    onStdout,
    onStderr,
    ...options
  }: PromiseExecOptions = {}) => ({
    ...options,
    ...(onStdout === undefined && onStderr === undefined
      ? {}
      : { onOutput: textOutput(onStdout, onStderr) }),
    ...(stdin === undefined ? {} : { stdin: contentStream(stdin) }),
  })
  return {
    id: sandbox.id,
    name: sandbox.name,
    info: sandbox.info,
    inspect: (options) => run(runtime, sandbox.inspect, options),
    exec: (command, options) => run(runtime, sandbox.exec(command, execOptions(options)), options),
    run: (command, options) => run(runtime, sandbox.run(command, execOptions(options)), options),
    execStream: (command, options) =>
      iterable(runtime, sandbox.execStream(command, execOptions(options))),
    files: {
      read: (path, options) => run(runtime, files.read(path, options), options),
      readText: (path, options) => run(runtime, files.readText(path), options),
      stream: (path, options) => iterable(runtime, files.stream(path, options)),
      write: (path, content, options) =>
        run(runtime, files.write(path, contentStream(content), options), options),
      stat: (path, options) => run(runtime, files.stat(path), options),
      exists: (path, options) => run(runtime, files.exists(path), options),
      list: (path, options) => run(runtime, files.list(path, options), options),
      makeDirectory: (path, options) => run(runtime, files.makeDirectory(path), options),
      move: (from, to, options) => run(runtime, files.move(from, to), options),
      remove: (path, options) => run(runtime, files.remove(path, options), options),
      search: (pattern, options) => run(runtime, files.search(pattern, options), options),
      watch: (path, options) => iterable(runtime, files.watch(path, options), options),
      upload: (from, to, options) =>
        run(runtime, files.upload(from, to, onTransfer(options)), options),
      download: (from, to, options) =>
        run(runtime, files.download(from, to, onTransfer(options)), options),
    },
    git: { clone: (url, options) => run(runtime, git.clone(url, options), options) },
    processes: {
      start: (command, options) =>
        run(runtime, Effect.map(processes.start(command, options), processOf), options),
      get: (name, options) => run(runtime, Effect.map(processes.get(name), processOf), options),
      list: (options) => run(runtime, processes.list, options),
    },
    ports: {
      list: (options) => run(runtime, ports.list, options),
      wait: (port, options) => run(runtime, ports.wait(port, options), options),
      expose: async (port, options) => {
        const { value, close } = await scoped(runtime, ports.expose(port, options), options)
        return { ...value, close, [Symbol.asyncDispose]: close }
      },
    },
    terminal: async (options) => {
      const { value, close } = await scoped(runtime, sandbox.terminal(options), options)
      return {
        output: iterable(runtime, value.output),
        write: (data) => run(runtime, value.write(data)),
        resize: (size) => run(runtime, value.resize(size)),
        wait: (options) => run(runtime, value.exit, options),
        close,
        [Symbol.asyncDispose]: close,
      }
    },
    snapshot: (name, options) => run(runtime, sandbox.snapshot(name), options),
    pause: (options) => run(runtime, sandbox.pause, options),
    resume: (options) => run(runtime, sandbox.resume, options),
    egressAttempts: (options) => run(runtime, sandbox.egressAttempts, options),
    start: (options) => run(runtime, sandbox.start, options),
    stop: (options) => run(runtime, sandbox.stop, options),
    remove: (options) => run(runtime, sandbox.remove, options),
    [Symbol.asyncDispose]: () =>
      run(
        runtime,
        // Already gone is as good as removed.
        sandbox.remove.pipe(
          Effect.catchIf(
            (error) => error instanceof SandboxNotFound,
            () => Effect.void,
          ),
        ),
      ),
  }
}

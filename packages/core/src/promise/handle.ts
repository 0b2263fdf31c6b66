import { Effect } from "effect"
import { SandboxNotFound } from "../errors.ts"
import type { ExecOptions as EffectExecOptions, Sandbox as EffectSandbox } from "../Sandboxes.ts"
import { SessionFiles } from "../SessionFiles.ts"
import type { BackgroundProcess } from "../sandbox/processes.ts"
import { backSandbox, type SessionBacking } from "./backing.ts"
import { contentStream, onStep, textOutput } from "./convert.ts"
import { iterable } from "./iterable.ts"
import type { PromiseExecOptions, PromiseExecStreamOptions } from "./options.ts"
import type { PromiseProcess, PromiseSandbox } from "./PromiseSandbox.ts"
import { run, scoped } from "./runtime.ts"

/** The face of one sandbox. */
export const handleOf = (session: SessionBacking, sandbox: EffectSandbox): PromiseSandbox => {
  const { runtime, storage } = session
  const { files, git, processes, ports } = sandbox
  const withStorage = Effect.provideServiceEffect(SessionFiles, storage)
  const processOf = (process: BackgroundProcess): PromiseProcess => ({
    name: process.name,
    inspect: (options) => run(runtime, process.inspect, options),
    logs: (options) => run(runtime, process.logs(options), options),
    follow: (options) => iterable(runtime, process.follow(options), options),
    wait: (options) => run(runtime, process.wait, options),
    kill: (options) => run(runtime, process.kill(options), options),
    remove: (options) => run(runtime, process.remove, options),
  })
  const execOptions = ({ stdin, signal: _, ...options }: PromiseExecStreamOptions = {}) => ({
    ...options,
    ...(stdin === undefined ? {} : { stdin: contentStream(stdin) }),
  })
  /** Runs a command with the program's callbacks told of its output, to the last byte. */
  const withOutput = <A, E>(
    { onStdout, onStderr, ...options }: PromiseExecOptions = {},
    start: (options: EffectExecOptions) => Effect.Effect<A, E>,
  ) => {
    if (onStdout === undefined && onStderr === undefined) return start(execOptions(options))
    const { onOutput, end } = textOutput(onStdout, onStderr)
    return start({ ...execOptions(options), onOutput }).pipe(
      Effect.tap(end),
      Effect.tapError(() => end),
    )
  }
  const face: PromiseSandbox = {
    id: sandbox.id,
    name: sandbox.name,
    info: sandbox.info,
    inspect: (options) => run(runtime, sandbox.inspect, options),
    exec: (command, options) =>
      run(
        runtime,
        withOutput(options, (to) => sandbox.exec(command, to)),
        options,
      ),
    run: (command, options) =>
      run(
        runtime,
        withOutput(options, (to) => sandbox.run(command, to)),
        options,
      ),
    execStream: (command, options) =>
      iterable(runtime, sandbox.execStream(command, execOptions(options)), options),
    files: {
      resolve: (path, options) => run(runtime, files.resolve(path), options),
      read: (path, options) => run(runtime, files.read(path, options), options),
      readText: (path, options) => run(runtime, files.readText(path), options),
      stream: (path, options) => iterable(runtime, files.stream(path, options), options),
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
        run(runtime, withStorage(files.upload(from, to, onStep(options?.onProgress))), options),
      download: (from, to, options) =>
        run(runtime, withStorage(files.download(from, to, onStep(options?.onProgress))), options),
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
    terminal: async (options = {}) => {
      const { value, close } = await scoped(runtime, sandbox.terminal(options), options)
      const { signal } = options
      signal?.addEventListener("abort", () => void close(), { once: true })
      return {
        output: iterable(runtime, value.output, options),
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
    // Already gone is as good as removed; and what was closed has removed it, unless it was to stay.
    [Symbol.asyncDispose]: async () => {
      if (runtime.closed()) return
      const gone = (error: unknown) => error instanceof SandboxNotFound
      await run(
        runtime,
        Effect.catchIf(sandbox.remove, gone, () => Effect.void),
      )
    },
  }
  return backSandbox(face, { session, sandbox })
}

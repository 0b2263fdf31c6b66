import "@cordon/core"
import type { Sandbox } from "@cordon/core"
import { FileSystem, Layer, Path } from "effect"
import { ChildProcessSpawner } from "effect/process"
import { fileSystemOf } from "./effect/files.ts"
import { pathOf } from "./effect/path.ts"
import { spawnerOf } from "./effect/spawner.ts"

/**
 * The commands of a program run in a sandbox; see {@link effectSandbox}.
 *
 * @example
 * import { effectChildProcessSpawner } from "@cordon/slots/effect"
 * import { ChildProcess, ChildProcessSpawner } from "effect/process"
 *
 * const spawner = yield* ChildProcessSpawner.ChildProcessSpawner.pipe(
 *   Effect.provide(effectChildProcessSpawner(sandbox)),
 * )
 * const lines = yield* spawner.lines(ChildProcess.make`sort -n numbers.txt`)
 */
export const effectChildProcessSpawner = (
  sandbox: Sandbox,
): Layer.Layer<ChildProcessSpawner.ChildProcessSpawner> =>
  Layer.sync(ChildProcessSpawner.ChildProcessSpawner, () => spawnerOf(sandbox))

/**
 * The files of a program are a sandbox's; see {@link effectSandbox}.
 *
 * @example
 * import { effectFileSystem } from "@cordon/slots/effect"
 * import { FileSystem } from "effect"
 *
 * const files = yield* FileSystem.FileSystem.pipe(Effect.provide(effectFileSystem(sandbox)))
 * const text = yield* files.readFileString("package.json")
 */
export const effectFileSystem = (sandbox: Sandbox): Layer.Layer<FileSystem.FileSystem> =>
  Layer.sync(FileSystem.FileSystem, () => fileSystemOf(sandbox))

/**
 * POSIX paths. Relative paths start at the sandbox's working directory.
 *
 * @example
 * import { effectPath } from "@cordon/slots/effect"
 * import { Path } from "effect"
 *
 * const path = yield* Path.Path.pipe(Effect.provide(effectPath(sandbox)))
 * const file = path.resolve("notes.txt") // /workspace/notes.txt
 */
export const effectPath = (sandbox: Sandbox): Layer.Layer<Path.Path> =>
  Layer.effect(Path.Path, pathOf(sandbox.info.workdir))

/**
 * Runs a program's processes, files and paths in a sandbox: provide this layer in place of the
 * platform's layer. The caller creates and removes the sandbox.
 *
 * Unsupported operations fail with a `PlatformError` that says so. Nothing from this machine enters
 * the sandbox: a command has the sandbox's environment and its own `env`, even if `extendEnv` is
 * set.
 *
 * A command ends when its scope closes: it gets its `killSignal` (default: SIGTERM), and its
 * remaining processes are killed after its `forceKillAfter` (default: 5 seconds).
 *
 * @example
 * import type { Sandbox } from "@cordon/core"
 * import { effectSandbox } from "@cordon/slots/effect"
 * import { Effect, FileSystem } from "effect"
 *
 * const count = Effect.gen(function* () {
 *   const files = yield* FileSystem.FileSystem
 *   return (yield* files.readDirectory(".")).length
 * })
 * const inSandbox = (sandbox: Sandbox) => Effect.provide(count, effectSandbox(sandbox))
 */
export const effectSandbox = (
  sandbox: Sandbox,
): Layer.Layer<ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem | Path.Path> =>
  Layer.mergeAll(effectChildProcessSpawner(sandbox), effectFileSystem(sandbox), effectPath(sandbox))

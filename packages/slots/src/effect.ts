import "@cordon/core"
import type { Sandbox } from "@cordon/core"
import { FileSystem, Layer, Path } from "effect"
import { ChildProcessSpawner } from "effect/process"
import { fileSystemOf } from "./effect/files.ts"
import { pathOf } from "./effect/path.ts"
import { spawnerOf } from "./effect/spawner.ts"

/** The commands of a program run in a sandbox; see {@link effectSandbox}. */
export const effectChildProcessSpawner = (
  sandbox: Sandbox,
): Layer.Layer<ChildProcessSpawner.ChildProcessSpawner> =>
  Layer.sync(ChildProcessSpawner.ChildProcessSpawner, () => spawnerOf(sandbox))

/** The files of a program are a sandbox's; see {@link effectSandbox}. */
export const effectFileSystem = (sandbox: Sandbox): Layer.Layer<FileSystem.FileSystem> =>
  Layer.sync(FileSystem.FileSystem, () => fileSystemOf(sandbox))

/** POSIX paths. Relative paths start at the sandbox's working directory. */
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
 */
export const effectSandbox = (
  sandbox: Sandbox,
): Layer.Layer<ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem | Path.Path> =>
  Layer.mergeAll(effectChildProcessSpawner(sandbox), effectFileSystem(sandbox), effectPath(sandbox))

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

/** POSIX paths, of which relative ones start at the sandbox's working directory. */
export const effectPath = (sandbox: Sandbox): Layer.Layer<Path.Path> =>
  Layer.effect(Path.Path, pathOf(sandbox.info.workdir))

/**
 * Makes a sandbox the place of a program's processes, files and paths: provide it where the program has
 * its platform's layer. The caller creates the sandbox and removes it.
 *
 * What a sandbox can't do fails with a `PlatformError` that says so. Nothing of this machine is handed in:
 * a command has the sandbox's environment and its own `env`, also where `extendEnv` is set.
 *
 * A command is killed when its scope closes: it is sent its `killSignal` (SIGTERM by default), and whatever
 * is left of it after its `forceKillAfter` (5 seconds by default) is killed.
 */
export const effectSandbox = (
  sandbox: Sandbox,
): Layer.Layer<ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem | Path.Path> =>
  Layer.mergeAll(effectChildProcessSpawner(sandbox), effectFileSystem(sandbox), effectPath(sandbox))

import { Effect } from "effect"
import { SessionFiles } from "../SessionFiles.ts"
import type {
  ListOptions,
  RemoveOptions,
  SearchOptions,
  SearchResult,
} from "../sandbox/files/folders.ts"
import type { ReadOptions, SandboxFiles, WriteOptions } from "../sandbox/files/SandboxFiles.ts"
import type { WatchOptions } from "../sandbox/files/watch.ts"
import type { TransferReport } from "../transfer/progress.ts"
import type { FileEntry, FileEvent, FileStat } from "../values/Files.ts"
import type { SessionBacking } from "./backing.ts"
import { contentStream, onStep } from "./convert.ts"
import { methodsOn } from "./methods.ts"
import type { Abortable, Content, TransferOptions } from "./options.ts"
import type { PromiseRuntime } from "./runtime.ts"

/**
 * The files of a sandbox. Relative paths start at its working directory; `~` and `~/x` are in the home
 * folder of its user, as they are to its shell, and `./~` is a file that is called `~`.
 */
export interface PromiseSandboxFiles {
  /**
   * The absolute path that a path stands for, whether something is there or not.
   *
   * @example
   * const path = await sandbox.files.resolve("~/.npmrc") // "/root/.npmrc"
   */
  readonly resolve: (path: string, options?: Abortable) => Promise<string>
  /**
   * Reads a file whole, or a part of it; rejects with `FileTooLarge` beyond the `fileLimit`.
   *
   * @example
   * const picture = await sandbox.files.read("chart.png")
   * const head = await sandbox.files.read("build.log", { length: 1024 })
   */
  readonly read: (path: string, options?: ReadOptions & Abortable) => Promise<Uint8Array>
  /**
   * As `read`, decoded as UTF-8: all of it, a byte order mark too, so that what is read and written
   * back is the same file. What is not UTF-8 rejects with `NotText`.
   *
   * @example
   * const { version } = JSON.parse(await sandbox.files.readText("package.json"))
   */
  readonly readText: (path: string, options?: Abortable) => Promise<string>
  /**
   * A file of any size, in pieces.
   *
   * @example
   * let size = 0
   * for await (const bytes of sandbox.files.stream("dump.sql")) size += bytes.length
   */
  readonly stream: (path: string, options?: ReadOptions & Abortable) => AsyncIterable<Uint8Array>
  /**
   * Writes a file whole or not at all; parent folders are made. Text is written as UTF-8.
   *
   * @example
   * await sandbox.files.write("src/main.py", "print(6 * 7)\n")
   * await sandbox.files.write("run.sh", "#!/bin/sh\nexec python3 src/main.py\n", { mode: 0o755 })
   */
  readonly write: (
    path: string,
    content: Content,
    options?: WriteOptions & Abortable,
  ) => Promise<void>
  /**
   * The size, kind and mode of what a path leads to. Rejects with `FileNotFound` where there is nothing.
   *
   * @example
   * const { kind, size } = await sandbox.files.stat("dist/app.js")
   */
  readonly stat: (path: string, options?: Abortable) => Promise<FileStat>
  /**
   * Whether a path leads to something.
   *
   * @example
   * if (!(await sandbox.files.exists("node_modules"))) await sandbox.run("npm ci")
   */
  readonly exists: (path: string, options?: Abortable) => Promise<boolean>
  /**
   * The entries of a folder (the working directory by default), ordered by path.
   *
   * @example
   * for (const { path, kind } of await sandbox.files.list("src", { depth: 2 })) console.log(kind, path)
   */
  readonly list: (
    path?: string,
    options?: ListOptions & Abortable,
  ) => Promise<ReadonlyArray<FileEntry>>
  /**
   * Makes a folder and those above it; no effect where it is there.
   *
   * @example
   * await sandbox.files.makeDirectory("reports/2025")
   */
  readonly makeDirectory: (path: string, options?: Abortable) => Promise<void>
  /**
   * Renames a file or folder; a file in its new place is replaced, a folder is not.
   *
   * @example
   * await sandbox.files.move("report.tmp", "report.md")
   */
  readonly move: (from: string, to: string, options?: Abortable) => Promise<void>
  /**
   * Removes a file, a symlink (not what it leads to) or a folder.
   *
   * @example
   * await sandbox.files.remove("node_modules", { recursive: true })
   */
  readonly remove: (path: string, options?: RemoveOptions & Abortable) => Promise<void>
  /**
   * Finds lines that hold the pattern in text files; symlinks are not followed.
   *
   * @example
   * const { matches } = await sandbox.files.search("TODO", { path: "src", include: "*.ts" })
   * for (const { path, line, text } of matches) console.log(`${path}:${line}: ${text}`)
   */
  readonly search: (pattern: string, options?: SearchOptions & Abortable) => Promise<SearchResult>
  /**
   * What is created, changed and removed in a folder (the working directory by default), once
   * `Ready` has come. What comes and goes within an interval (100 milliseconds by default) is not told.
   * It ends when the sandbox is stopped or removed, or the loop is left; the signal rejects it. It is
   * a use of the sandbox for as long as it runs, as any command is.
   *
   * @example
   * for await (const event of sandbox.files.watch("src", { recursive: true })) {
   *   if (event._tag === "Changed") console.log("changed:", event.entry.path)
   * }
   */
  readonly watch: (path?: string, options?: WatchOptions & Abortable) => AsyncIterable<FileEvent>
  /**
   * Copies a file or folder from session storage into the sandbox.
   *
   * @example
   * const { files, skipped } = await sandbox.files.upload("project", "/workspace/project")
   */
  readonly upload: (from: string, to: string, options?: TransferOptions) => Promise<TransferReport>
  /**
   * Copies a file or folder from the sandbox into session storage.
   *
   * @example
   * const { bytes } = await sandbox.files.download("dist", "results/dist")
   */
  readonly download: (
    from: string,
    to: string,
    options?: TransferOptions,
  ) => Promise<TransferReport>
}

/** Files of a sandbox. */
export const filesOf = (
  runtime: PromiseRuntime,
  files: SandboxFiles,
  storage: SessionBacking["storage"],
): PromiseSandboxFiles => {
  const { promise, iterable } = methodsOn(runtime)
  const stored = Effect.provideServiceEffect(SessionFiles, storage)
  return {
    resolve: promise(["path", "files.resolve"], files.resolve),
    read: promise(["read", "files.read"], files.read),
    readText: promise(["path", "files.readText"], files.readText),
    stream: iterable(["read", "files.stream"], files.stream),
    write: promise(["write", "files.write"], (path, content, options) =>
      files.write(path, contentStream(content), options),
    ),
    stat: promise(["path", "files.stat"], files.stat),
    exists: promise(["path", "files.exists"], files.exists),
    list: promise(["list", "files.list"], files.list),
    makeDirectory: promise(["path", "files.makeDirectory"], files.makeDirectory),
    move: promise(["move", "files.move"], files.move),
    remove: promise(["remove", "files.remove"], files.remove),
    search: promise(["search", "files.search"], files.search),
    watch: iterable(["watch", "files.watch"], files.watch),
    upload: promise(["transfer", "files.upload"], (from, to, options) =>
      stored(files.upload(from, to, onStep(options?.onProgress))),
    ),
    download: promise(["transfer", "files.download"], (from, to, options) =>
      stored(files.download(from, to, onStep(options?.onProgress))),
    ),
  }
}

import { randomBytes } from "node:crypto"
import { posix } from "node:path"
import type { Sandbox } from "@cordon/core"
import { Effect, FileSystem, type PlatformError, type Sink } from "effect"
import { changeMode, cut, prepare, statOf, type Target, writeBy } from "./content.ts"
import { badArgument, isGone, platformError } from "./failure.ts"
import { entriesOf, need, sinkOf, streamOf, watchOf } from "./flow.ts"
import { handleOf } from "./handle.ts"
import { infoOf, types } from "./info.ts"
import { absolute } from "./path.ts"
import { lineOf, runScript, scripts } from "./script.ts"

type Files = FileSystem.FileSystem
type Failure = PlatformError.PlatformError
type Locate = (method: string, path: string) => Target
type Script = keyof typeof scripts

/** Operations that do not change a file's content. */
const metadata = (sandbox: Sandbox, at: Locate) => {
  const script = (method: Script, path: string, args: ReadonlyArray<string> = []) => {
    const target = at(method, path)
    return runScript(sandbox, target.place, scripts[method], [target.path], { args })
  }
  /** Both formats of a time that the `touch` commands of images accept. */
  const timesOf = (time: Date | number) => {
    const date = typeof time === "number" ? new Date(time * 1000) : time
    return Number.isNaN(date.getTime())
      ? []
      : [date.toISOString(), String(Math.floor(date.getTime() / 1000))]
  }
  return {
    access: (path, { readable = false, writable = false } = {}) =>
      readable || writable
        ? Effect.asVoid(script("access", path, [`${readable ? "-r" : ""} ${writable ? "-w" : ""}`]))
        : need(at("access", path)),
    chmod: (path, mode) => changeMode(at("chmod", path), mode),
    chown: (path, uid, gid) => Effect.asVoid(script("chown", path, [`${uid}:${gid}`])),
    utimes: (path, atime, mtime) => {
      const { place, path: target } = at("utimes", path)
      const args = [...timesOf(atime), ...timesOf(mtime)]
      return args.length === 4
        ? Effect.asVoid(runScript(sandbox, place, scripts.touch, [target], { args }))
        : Effect.fail(badArgument(place, "The times must be dates or seconds"))
    },
    stat: (path) => Effect.map(statOf(at("stat", path)), infoOf),
    lstat: Effect.fnUntraced(function* (path: string) {
      const target = at("lstat", path)
      const link = lineOf(
        yield* runScript(sandbox, target.place, scripts.linkTarget, [target.path]),
      )
      if (link === "") return infoOf(yield* statOf(target))
      return infoOf({ kind: "symlink", size: Buffer.byteLength(link), mode: 0o777 })
    }),
    realPath: (path) => Effect.map(script("realPath", path), lineOf),
    readLink: Effect.fnUntraced(function* (path: string) {
      const { place, path: link } = at("readLink", path)
      const target = lineOf(yield* runScript(sandbox, place, scripts.linkTarget, [link]))
      if (target !== "") return target
      return yield* Effect.fail(badArgument(place, `${path} is no symbolic link`))
    }),
  } satisfies Partial<Files>
}

/** Operations that move or copy files and folders. */
const places = (sandbox: Sandbox, at: Locate) => {
  const { files } = sandbox
  const both = (method: "copy" | "copyFile" | "link", args: ReadonlyArray<string> = []) =>
    Effect.fnUntraced(function* (from: string, to: string) {
      const { place, path } = at(method, from)
      yield* runScript(sandbox, place, scripts[method], [path, at(method, to).path], { args })
    })
  const yes = (flag: boolean | undefined) => (flag ? "yes" : "no")
  return {
    copy: (from, to, { overwrite, preserveTimestamps } = {}) =>
      both("copy", [yes(overwrite), yes(preserveTimestamps)])(from, to),
    copyFile: both("copyFile"),
    link: both("link"),
    symlink: Effect.fnUntraced(function* (target: string, path: string) {
      const { place, path: link } = at("symlink", path)
      yield* runScript(sandbox, place, scripts.symlink, [link], { args: [target] })
    }),
    rename: (from, to) => {
      const { place, path } = at("rename", from)
      return Effect.mapError(files.move(path, at("rename", to).path), platformError(place))
    },
    remove: (path, { recursive = false, force = false } = {}) => {
      const { place, path: target } = at("remove", path)
      return files.remove(target, { recursive }).pipe(
        Effect.catchTag("FileNotFound", (error) => (force ? Effect.void : Effect.fail(error))),
        Effect.mapError(platformError(place)),
      )
    },
    makeDirectory: Effect.fnUntraced(function* (
      path: string,
      {
        recursive = false,
        mode,
      }: { readonly recursive?: boolean | undefined; readonly mode?: number | undefined } = {},
    ) {
      const target = at("makeDirectory", path)
      if (recursive) {
        yield* Effect.mapError(files.makeDirectory(target.path), platformError(target.place))
      } else yield* runScript(sandbox, target.place, scripts.makeFolder, [target.path])
      if (mode !== undefined) yield* changeMode(target, mode)
    }),
  } satisfies Partial<Files>
}

type TempOptions = NonNullable<Parameters<Files["makeTempFile"]>[0]>

/** Files and folders that are made for a while. */
const temporary = (
  { makeDirectory, remove }: Pick<Files, "makeDirectory" | "remove">,
  write: Files["writeFile"],
) => {
  const random = () => randomBytes(6).toString("hex")
  const folder = ({ directory = "/tmp", prefix = "" }: TempOptions = {}) => {
    const path = posix.join(directory, `${prefix}${random()}`)
    return Effect.as(makeDirectory(path, { mode: 0o700 }), path)
  }
  const file = (options: TempOptions = {}) =>
    Effect.gen(function* () {
      const path = posix.join(yield* folder(options), `${random()}${options.suffix ?? ""}`)
      yield* write(path, new Uint8Array())
      return path
    })
  const drop = (path: string) =>
    remove(path, { recursive: true, force: true }).pipe(
      // Its files have gone with the sandbox.
      Effect.catch((error) => (isGone(error) ? Effect.void : Effect.die(error))),
    )
  return {
    makeTempDirectory: folder,
    makeTempDirectoryScoped: (options) => Effect.acquireRelease(folder(options), drop),
    makeTempFile: file,
    makeTempFileScoped: (options) =>
      Effect.acquireRelease(file(options), (path) => drop(posix.dirname(path))),
  } satisfies Partial<Files>
}

/** Reads, writes and lists the files of a sandbox. */
export const fileSystemOf = (sandbox: Sandbox): Files => {
  const { files, info } = sandbox
  const at: Locate = (method, path) => ({
    sandbox,
    place: { module: "FileSystem", method, path },
    path: absolute(info.workdir, path),
  })
  const placed = places(sandbox, at)
  const writeFile: Files["writeFile"] = (path, data, { flag = "w", mode } = {}) =>
    writeBy(at("writeFile", path), flag, data, mode)

  const base = FileSystem.make({
    ...metadata(sandbox, at),
    ...placed,
    ...temporary(placed, writeFile),
    writeFile,
    open: Effect.fnUntraced(function* (path, { flag = "r", mode, noFollow = false } = {}) {
      const target = at("open", path)
      if (noFollow) {
        return yield* Effect.fail(badArgument(target.place, "noFollow is not there in a sandbox"))
      }
      yield* prepare(target, flag, mode)
      return handleOf(target, flag)
    }),
    readDirectory: (path, { recursive = false } = {}) => {
      const target = at("readDirectory", path)
      return Effect.map(entriesOf(target, recursive), (entries) =>
        entries.map((entry) => posix.relative(target.path, entry.path)),
      )
    },
    readDirectoryEntries: (path) =>
      Effect.map(entriesOf(at("readDirectoryEntries", path), false), (entries) =>
        entries.map(({ name, kind }) => ({ name, type: types[kind] })),
      ),
    readFile: (path) => {
      const { place, path: target } = at("readFile", path)
      return Effect.mapError(files.read(target), platformError(place))
    },
    truncate: (path, length = 0) => cut(at("truncate", path), length),
    watch: (path, options) => watchOf(sandbox, at("watch", path), options),
  })
  return {
    ...base,
    // Needs fewer calls than opening the file.
    stream: (path, options) => streamOf(at("stream", path), options),
    sink: (path, { flag = "w", mode } = {}): Sink.Sink<void, Uint8Array, never, Failure> =>
      flag === "w" || flag === "wx" || flag === "a" || flag === "ax"
        ? sinkOf(at("sink", path), flag, mode)
        : base.sink(path, { flag, mode }),
  }
}

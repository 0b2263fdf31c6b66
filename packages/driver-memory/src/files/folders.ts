/** The operations on folders that a sandbox's user has, on the sandbox's file tree. */
import { posix } from "node:path"
import {
  AlreadyExists,
  DirectoryNotEmpty,
  type FileEntry,
  type FileError,
  type FileMatch,
  FileNotFound,
  type FolderSearch,
  InvalidInput,
  InvalidPath,
  NotADirectory,
} from "@cordon/core"
import { Effect } from "effect"
import { runCommand } from "../scripts/runCommand.ts"
import { type FileTree, kindOf } from "./FileTree.ts"
import { globMatcher } from "./glob.ts"

/** Cordon's own files, which no listing shows. */
const ownFiles = ".cordon-*"

const entriesBelow = (
  tree: FileTree,
  folder: string,
  prefix: string,
  depth: number,
  skips: (name: string) => boolean,
): Effect.Effect<ReadonlyArray<FileEntry>, FileError> =>
  Effect.gen(function* () {
    const entries: Array<FileEntry> = []
    const names = yield* tree.attempt(folder, (fs) => fs.readdir(folder))
    for (const name of names.toSorted()) {
      const at = posix.join(folder, name)
      const stat = skips(name) ? undefined : yield* tree.lstat(at)
      if (stat === undefined) continue
      const [path, kind] = [`${prefix}${name}`, kindOf(stat)]
      entries.push({
        name,
        path,
        kind,
        size: kind === "file" ? stat.size : 0,
        mode: stat.mode & 0o7777,
        modifiedAt: stat.mtime,
      })
      if (kind === "directory" && depth > 1) {
        entries.push(...(yield* entriesBelow(tree, at, `${path}/`, depth - 1, skips)))
      }
    }
    return entries
  })

/** Lists a folder `depth` folders deep, without the names that match one of the globs. */
export const listFolder = Effect.fnUntraced(function* (
  tree: FileTree,
  path: string,
  depth: number,
  exclude: ReadonlyArray<string> = [],
) {
  const { kind } = yield* tree.stat(path)
  if (kind !== "directory") {
    return yield* new NotADirectory({ path })
  }
  const skipped = [ownFiles, ...exclude].map(globMatcher)
  const skips = (name: string) => skipped.some((matches) => matches(name))
  return yield* entriesBelow(tree, yield* tree.resolve(path), "", depth, skips)
})

/** The real path of a file: links in its folders are followed, but not the file itself if it is a link. */
const placeOf = Effect.fnUntraced(function* (tree: FileTree, path: string) {
  const name = posix.basename(path)
  if (["", ".", ".."].includes(name)) {
    return yield* new InvalidPath({ path, reason: "it does not end with a name" })
  }
  return posix.join(yield* tree.resolve(posix.dirname(path)), name)
})

/** Removes a file, a link or a folder. */
export const removeFile = Effect.fnUntraced(function* (
  tree: FileTree,
  path: string,
  recursive: boolean,
) {
  const at = yield* placeOf(tree, path)
  const stat = yield* tree.lstat(at)
  if (stat === undefined) return yield* new FileNotFound({ path })
  if (stat.isDirectory && !recursive) {
    const names = yield* tree.attempt(path, (fs) => fs.readdir(at))
    if (names.length > 0) return yield* new DirectoryNotEmpty({ path })
  }
  yield* tree.attempt(path, (fs) => fs.rm(at, { recursive: stat.isDirectory }))
})

/** Moves a file, a link or a folder, as `SandboxDriver.moveFile` says. */
export const moveFile = Effect.fnUntraced(function* (tree: FileTree, from: string, to: string) {
  const source = yield* placeOf(tree, from)
  const stat = yield* tree.lstat(source)
  if (stat === undefined) return yield* new FileNotFound({ path: from })
  const target = yield* placeOf(tree, to).pipe(
    Effect.catchTag("InvalidPath", () => Effect.fail(new AlreadyExists({ path: to }))),
  )
  const existing = yield* tree.lstat(target)
  const leadsTo = yield* Effect.option(tree.stat(target))
  const isFolder = leadsTo._tag === "Some" && leadsTo.value.kind === "directory"
  if (isFolder || (existing !== undefined && stat.isDirectory)) {
    return yield* new AlreadyExists({ path: to })
  }
  if (target.startsWith(`${source}/`) && stat.isDirectory) {
    return yield* new InvalidPath({
      path: to,
      reason: "it is inside the folder that is to be moved",
    })
  }
  if (target === source) return
  yield* tree.makeDirectory(posix.dirname(target))
  const moved = stat.isDirectory
    ? yield* entriesBelow(tree, source, "", Number.POSITIVE_INFINITY, () => false)
    : []
  if (existing !== undefined) yield* tree.attempt(to, (fs) => fs.rm(target))
  yield* tree.attempt(to, (fs) => fs.mv(source, target))
  // just-bash makes new folders, so their modes and times are set again: inner folders first, since a change in
  // a folder changes the time of the folder.
  const folders = moved.filter(({ kind }) => kind === "directory").toReversed()
  if (stat.isDirectory)
    folders.push({ ...stat, name: "", path: "", modifiedAt: stat.mtime, kind: "directory" })
  for (const { path, mode, modifiedAt } of folders) {
    const at = posix.join(target, path)
    yield* tree.attempt(to, (fs) => fs.chmod(at, mode))
    yield* tree.setTime(at, modifiedAt)
  }
})

/**
 * $1: options of grep, $2: pattern, then files. Prints a NUL for each file, then its lines that match, each
 * with its number. If the pattern is invalid, prints only the reason, to standard error.
 */
const searchScript = `options=$1 pattern=$2
shift 2
said=$(echo | grep -q "$options" -e "$pattern" 2>&1)
[ -z "$said" ] || { printf '%s' "$said" >&2; exit 1; }
# Not "for file do", which splits names at spaces in just-bash.
for file in "$@"; do printf '\\0'; grep "$options" -e "$pattern" "$file"; done
exit 0
`

/** Finds the lines of text files that match; paths are relative to the folder. */
export const searchFolder = Effect.fnUntraced(function* (
  tree: FileTree,
  path: string,
  { pattern, regex, ignoreCase, include, exclude }: FolderSearch,
) {
  const entries = yield* listFolder(tree, path, Number.POSITIVE_INFINITY, exclude)
  const fits = include === undefined ? () => true : globMatcher(include)
  const folder = yield* tree.resolve(path)
  const files: Array<FileEntry> = []
  for (const entry of entries) {
    if (entry.kind !== "file" || !fits(entry.name)) continue
    const bytes = yield* tree.read(posix.join(folder, entry.path))
    if (!bytes.includes(0)) files.push(entry)
  }
  const options = `-n${regex ? "E" : "F"}${ignoreCase ? "i" : ""}`
  const paths = files.map((file) => posix.join(folder, file.path))
  const events = yield* runCommand(tree, {}, "/", {
    command: ["/bin/sh", "-c", searchScript, "sh", options, pattern, ...paths],
  })
  const textOf = (wanted: "Stdout" | "Stderr") =>
    Buffer.concat(
      events.flatMap((event) => (event._tag === wanted ? [event.bytes] : [])),
    ).toString()
  const end = events.at(-1)
  if (end?._tag !== "Exit" || end.exitCode !== 0) {
    return yield* new InvalidInput({ subject: "search pattern", issue: textOf("Stderr").trim() })
  }
  const found = textOf("Stdout").split("\0").slice(1)
  return found.flatMap(
    (lines, nth): ReadonlyArray<FileMatch> =>
      lines.split("\n").flatMap((line) => {
        const parts = /^(\d+):([\s\S]*)$/.exec(line)
        if (parts === null) return []
        return [{ path: files[nth]?.path ?? "", line: Number(parts[1]), text: parts[2] ?? "" }]
      }),
  )
})

import { type FileEntry, InvalidInput, type Sandbox } from "@cordon/core"
import { Effect, Schema } from "effect"
import { count, number, optional, sandboxField, text } from "../fields.ts"
import { defineTool } from "../Tool.ts"
import { alternatives, type GlobState, globState, isPattern } from "./globPattern.ts"
import { keepOutput, showKept, thatFit } from "./keptOutput.ts"

const mostShown = 1000
const mostFound = 10_000
/** Folders and entries that one call looks at. */
const mostFolders = 20_000
const mostEntries = 100_000
const passedOver = [".git", "node_modules"]

const input = Schema.Struct({
  sandbox: sandboxField,
  pattern: Schema.String.pipe(
    Schema.check(Schema.isMinLength(1), Schema.isMaxLength(256)),
  ).annotate({
    description:
      'A glob: * and ? within a name, ** for any folders, [a-z], {a,b}: "src/**/*.{ts,tsx}". Without a slash it is for names in any folder; with one at its end it is for folders.',
  }),
  path: optional(text("The folder to look in. Default the sandbox's working directory.")),
})

const output = Schema.Struct({
  paths: Schema.Array(Schema.String).annotate({
    description:
      "Those that fit, ordered, relative to the sandbox's working directory where they are in it.",
  }),
  found: count("How many were found in all."),
  truncated: Schema.Boolean.annotate({ description: "Whether some are missing in paths." }),
  note: Schema.optionalKey(text("What is missing, and where it is.")),
})

/** A path as other tools take it, and as short as it can be. */
export const fromWorkdir = (workdir: string, path: string) =>
  workdir !== "/" && path.startsWith(`${workdir}/`) ? path.slice(workdir.length + 1) : path

const refuse = (issue: string) =>
  new InvalidInput({ subject: "input for sandbox_glob", issue: `"pattern": ${issue}` })

/** Splits a glob into its fixed folder and the rest. */
const rootOf = (glob: string, path: string) => {
  const segments = glob.split("/")
  const plain = segments.findIndex(isPattern)
  const end = plain === -1 ? segments.length - 1 : plain
  const folder = segments.slice(0, end).join("/")
  const rest = segments.slice(end).join("/")
  if (glob.startsWith("/")) return { root: folder === "" ? "/" : folder, rest }
  return { root: folder === "" ? path : `${path}/${folder}`, rest }
}

interface Walk {
  readonly sandbox: Sandbox
  readonly wanted: "files" | "folders"
  readonly skipped: ReadonlyArray<string>
  readonly found: Set<string>
  folders: number
  entries: number
  stopped: boolean
}

interface Folder {
  readonly path: string
  readonly state: GlobState
}

/** Looks at one folder. @returns the folders in it where more may be */
const look = (walk: Walk, { path, state }: Folder) =>
  Effect.map(
    walk.sandbox.files.list(path, { limit: mostEntries }),
    (entries: ReadonlyArray<FileEntry>) => {
      walk.folders += 1
      walk.entries += entries.length
      const below: Array<Folder> = []
      for (const entry of entries) {
        const isFolder = entry.kind === "directory"
        if (isFolder && walk.skipped.includes(entry.name)) continue
        const next = state.next(entry.name)
        if (next.fits && isFolder === (walk.wanted === "folders")) walk.found.add(entry.path)
        if (isFolder && next.mayGoOn) below.push({ path: entry.path, state: next })
      }
      return below
    },
  )

/** Looks into a folder and those below, level by level. One that may not be read, or goes away, has nothing. */
const walkFrom = Effect.fnUntraced(function* (walk: Walk, start: Folder) {
  let level = yield* look(walk, start)
  while (level.length > 0 && !walk.stopped) {
    const next = yield* Effect.forEach(
      level,
      (folder) =>
        Effect.suspend(() => {
          walk.stopped ||=
            walk.folders >= mostFolders ||
            walk.entries >= mostEntries ||
            walk.found.size >= mostFound
          return walk.stopped ? Effect.succeed([]) : look(walk, folder)
        }).pipe(
          Effect.catchTags({
            FileNotFound: () => Effect.succeed([]),
            NotADirectory: () => Effect.succeed([]),
            PermissionDenied: () => Effect.succeed([]),
          }),
        ),
      { concurrency: 8 },
    )
    level = next.flat()
  }
})

export const sandboxGlob = defineTool({
  name: "sandbox_glob",
  title: "Find files by name",
  description: `Find files of a sandbox by a glob of their path, such as "src/**/*.test.ts" or "*.py". Returns their paths in order. .git and node_modules are passed over unless the pattern names them; symlinks are not followed. Prefer it to find and ls -R in sandbox_exec. To find what files hold use sandbox_grep where you have it.
Example: {"sandbox": "web-1", "pattern": "**/*.{ts,tsx}", "path": "src"}`,
  annotations: { readOnly: true, destructive: false, idempotent: true, openWorld: false },
  input,
  output,
  handler: Effect.fnUntraced(function* ({ sandbox: reference, pattern, path = "." }, session) {
    const globs = alternatives(pattern.replace(/\/+$/, ""))
    if (globs === undefined) return yield* refuse("it has too many alternatives in braces.")
    const sandbox = yield* session.get(reference)
    const walk: Walk = {
      sandbox,
      wanted: pattern.endsWith("/") ? "folders" : "files",
      skipped: passedOver.filter((name) => !pattern.split("/").includes(name)),
      found: new Set(),
      folders: 0,
      entries: 0,
      stopped: false,
    }
    for (const glob of globs) {
      const { root, rest } = rootOf(glob, path)
      const state = globState(glob.includes("/") ? rest : `**/${rest}`)
      // A folder that only one of several alternatives names may be missing.
      yield* globs.length === 1
        ? walkFrom(walk, { path: root, state })
        : Effect.catchTag(walkFrom(walk, { path: root, state }), "FileNotFound", () => Effect.void)
    }
    const { workdir } = sandbox.info
    const all = [...walk.found].sort().map((found) => fromWorkdir(workdir, found))
    const paths = thatFit(all, mostShown, (shown) => shown)
    const more = walk.stopped
      ? [
          "Not everything was looked at: there are too many files. Give a path, or a pattern that begins with a folder",
        ]
      : []
    const cut =
      paths.length < all.length
        ? [
            `${number(paths.length)} of ${number(all.length)} paths are shown. ${showKept(yield* keepOutput(session, sandbox, "glob", `${all.join("\n")}\n`))}`,
          ]
        : []
    const notes = [...cut, ...more]
    return {
      paths,
      found: all.length,
      truncated: notes.length > 0,
      ...(notes.length === 0 ? {} : { note: `${notes.join(". ")}.` }),
    }
  }),
  render: ({ paths, found, note }) =>
    [
      ...(found === 0 ? ["No file fits."] : paths),
      ...(note === undefined ? [] : [`[${note}]`]),
    ].join("\n"),
})

import { realpathSync, statSync } from "node:fs"
import { basename, dirname, posix, resolve } from "node:path"
import {
  download,
  FilePath,
  InvalidInput,
  invalidInput,
  SandboxDriver,
  type SandboxInfo,
  Settings,
  sessionFilesDirectory,
  type TransferReport,
  upload,
} from "@cordon/core"
import { Effect, Schema, Stdio, Stream } from "effect"
import { Argument, Command } from "effect/cli"
import { findSandbox, sessionFlag } from "../find.ts"
import { common, connected } from "../flags.ts"
import { complain, ending, write } from "../output.ts"

/** A side of a copy: a local path, `-` for an archive, or a path in a sandbox. */
type Place =
  | { readonly _tag: "Here"; readonly path: string }
  | { readonly _tag: "Archive" }
  | { readonly _tag: "Inside"; readonly sandbox: string; readonly path: string }

/** Parses a side as docker does: a text that begins with `/` or `.` is a local path, even with colons in it. */
export const placeOf = (text: string): Place => {
  if (text === "-") return { _tag: "Archive" }
  const colon = text.indexOf(":")
  return colon <= 0 || /^[./]/.test(text)
    ? { _tag: "Here", path: text }
    : { _tag: "Inside", sandbox: text.slice(0, colon), path: text.slice(colon + 1) }
}

const insidePath = (path: string, workdir: string) =>
  Schema.decodeUnknownEffect(FilePath)(posix.resolve(workdir, path)).pipe(
    Effect.mapError(invalidInput("path")),
  )

/** A local folder and a name in it. If the path is a folder, the name is `name`. */
const here = (path: string, name: string) =>
  Effect.sync(() => {
    const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
    return isFolder
      ? { folder: realpathSync(path), name }
      : { folder: dirname(resolve(path)), name: basename(resolve(path)) }
  })

/** The name under which a copy goes into a folder; none if only the contents are copied. */
const nameOf = (path: string) =>
  path.endsWith("/.") || path === "." ? "" : posix.basename(posix.resolve("/", path))

const tellSkipped = ({ skipped }: TransferReport) =>
  Effect.sync(() => {
    for (const { path, reason } of skipped) complain(`left out ${JSON.stringify(path)}: ${reason}`)
  })

/** Copies out of a sandbox. */
const copyOut = Effect.fnUntraced(function* (
  { id, workdir }: SandboxInfo,
  path: string,
  to: Exclude<Place, { readonly _tag: "Inside" }>,
) {
  const driver = yield* SandboxDriver
  const from = yield* insidePath(path, workdir)
  if (to._tag === "Archive") {
    return yield* Stream.runForEach(driver.getArchive(id, from), (bytes) =>
      write(process.stdout, bytes),
    )
  }
  const { transferLimit } = yield* Settings
  const { folder, name } = yield* here(to.path, nameOf(path))
  const report = yield* download(driver, id, from, name, transferLimit).pipe(
    Effect.provide(sessionFilesDirectory(folder)),
  )
  yield* tellSkipped(report)
})

/** Copies into a sandbox. */
const copyIn = Effect.fnUntraced(function* (
  from: Exclude<Place, { readonly _tag: "Inside" }>,
  { id, workdir }: SandboxInfo,
  path: string,
) {
  const driver = yield* SandboxDriver
  const to = yield* insidePath(path, workdir)
  if (from._tag === "Archive") {
    const { stdin } = yield* Stdio.Stdio
    return yield* Effect.ensuring(
      driver.putArchive(id, to, Stream.orDie(stdin)),
      Effect.sync(() => process.stdin.destroy()),
    )
  }
  const source = resolve(from.path)
  const isFolder = yield* driver.stat(id, to).pipe(
    Effect.map(({ kind }) => kind === "directory"),
    Effect.catchTag("FileNotFound", () => Effect.succeed(false)),
  )
  const called = nameOf(from.path) === "" ? "" : basename(source)
  const target = isFolder && called !== "" ? yield* insidePath(called, to) : to
  const report = yield* upload(driver, id, basename(source), target).pipe(
    Effect.provide(sessionFilesDirectory(dirname(source))),
  )
  yield* tellSkipped(report)
})

export const cp = Command.make(
  "cp",
  {
    host: common.host,
    session: sessionFlag,
    from: Argument.String("from").pipe(
      Argument.withDescription(
        "A path here, SANDBOX:PATH, or - for a tar archive on standard input",
      ),
    ),
    to: Argument.String("to").pipe(
      Argument.withDescription(
        "A path here, SANDBOX:PATH, or - for a tar archive on standard output",
      ),
    ),
  },
  ({ host, session, ...sides }) =>
    Effect.gen(function* () {
      const [from, to] = [placeOf(sides.from), placeOf(sides.to)]
      if (from._tag === "Inside" && to._tag !== "Inside") {
        yield* copyOut(yield* findSandbox(from.sandbox, session), from.path, to)
      } else if (from._tag !== "Inside" && to._tag === "Inside") {
        yield* copyIn(from, yield* findSandbox(to.sandbox, session), to.path)
      } else {
        return yield* new InvalidInput({
          subject: "copy",
          issue: "one side must be in a sandbox (SANDBOX:PATH), and the other one here",
        })
      }
      return 0
    }).pipe(Effect.provide(Settings.layer()), Effect.provide(connected(host)), ending),
).pipe(
  Command.withDescription(
    "Copies a file or folder into a sandbox or out of one; links are not followed, and what comes out leaves them behind",
  ),
)

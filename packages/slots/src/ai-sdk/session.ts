import { FileNotFound, InvalidInput, NotAFile, type PromiseSandbox } from "@cordon/core"
import type { Experimental_SandboxSession } from "ai"
import { orNull } from "../shared/absent.ts"
import type { Running } from "../shared/command.ts"
import { describe } from "../shared/describe.ts"
import { linesOf } from "../shared/lines.ts"
import { explainedStderr } from "../shared/outcome.ts"
import { piecesOf, streamOf } from "../shared/streams.ts"

type Session = Experimental_SandboxSession
type SpawnOptions = Parameters<Session["spawn"]>[0]
type Spawned = Awaited<ReturnType<Session["spawn"]>>
type WithStdin = Extract<Spawned, { readonly stdin: unknown }>

/** Starts the commands of `spawn`. */
export type Start = (options: SpawnOptions) => Running | Promise<Running>

const withSignal = (signal: AbortSignal | undefined) => ({ signal })

/** A session whose `spawn` starts commands with the given function. */
export const sessionOver = (sandbox: PromiseSandbox, start: Start): Session => {
  const { files } = sandbox
  return {
    description: describe(sandbox),
    run: async ({ command, workingDirectory, env, abortSignal }) => {
      const result = await sandbox.exec(command, {
        cwd: workingDirectory,
        env,
        ...withSignal(abortSignal),
      })
      const { exitCode, stdout } = result
      return { exitCode, stdout, stderr: explainedStderr(result, sandbox) }
    },
    spawn: spawnWith(start),
    readFile: async ({ path, abortSignal }) => {
      const pieces = files.stream(path, withSignal(abortSignal))[Symbol.asyncIterator]()
      // The first read shows whether the file exists.
      const first = await orNull(pieces.next())
      return first && streamOf(startingWith(first, pieces))
    },
    readBinaryFile: ({ path, abortSignal }) => orNull(files.read(path, withSignal(abortSignal))),
    readTextFile: async ({ path, encoding = "utf-8", startLine, endLine, abortSignal }) => {
      const known = checkEncoding(encoding)
      const bytes = await orNull(files.read(path, withSignal(abortSignal)))
      if (bytes === null) return null
      return linesOf(Buffer.from(bytes).toString(known), { startLine, endLine })
    },
    writeFile: ({ path, content, abortSignal }) =>
      files.write(path, piecesOf(content), withSignal(abortSignal)),
    writeBinaryFile: ({ path, content, abortSignal }) =>
      files.write(path, content, withSignal(abortSignal)),
    writeTextFile: async ({ path, content, encoding = "utf-8", abortSignal }) => {
      const bytes = Buffer.from(content, checkEncoding(encoding))
      await files.write(path, bytes, withSignal(abortSignal))
    },
    stat: async ({ path, abortSignal }) => {
      const found = await orNull(files.stat(path, withSignal(abortSignal)))
      if (found === null) return null
      const { kind, size } = found
      return { type: kind === "symlink" ? "other" : kind, size }
    },
    listDirectory: async ({ path, abortSignal }) => {
      const entries = await orNull(files.list(path, withSignal(abortSignal)))
      return entries?.map(({ name, kind }) => ({ name, type: kind })) ?? null
    },
    deleteFile: ({ path, abortSignal }) => deleteFile(sandbox, path, withSignal(abortSignal)),
  }
}

const spawnWith = (start: Start): Session["spawn"] => {
  async function spawn(options: SpawnOptions & { stdin: true }): Promise<WithStdin>
  async function spawn(options: SpawnOptions): Promise<Spawned>
  async function spawn(options: SpawnOptions): Promise<Spawned> {
    options.abortSignal?.throwIfAborted()
    const { stdout, stderr, stdin, wait, kill } = await start(options)
    return {
      stdout,
      stderr,
      ...(stdin === undefined ? {} : { stdin }),
      wait: async () => ({ exitCode: await wait() }),
      kill,
    }
  }
  return spawn
}

const startingWith = <A>(first: IteratorResult<A>, rest: AsyncIterator<A>): AsyncIterable<A> => {
  let isFirst = true
  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        if (!isFirst) return rest.next()
        isFirst = false
        return first
      },
      return: async () => (await rest.return?.()) ?? { done: true, value: undefined },
    }),
  }
}

const checkEncoding = (encoding: string): BufferEncoding => {
  if (Buffer.isEncoding(encoding)) return encoding
  throw new InvalidInput({ subject: "encoding", issue: `${JSON.stringify(encoding)} is unknown` })
}

interface Abortable {
  readonly signal?: AbortSignal | undefined
}

/** Deletes a file, not a folder. If it is a link to a folder, the link is deleted and the folder stays. */
const deleteFile = async ({ files }: PromiseSandbox, path: string, options: Abortable) => {
  const found = await orNull(files.stat(path, options))
  if (found?.kind === "directory") {
    const absolute = await files.resolve(path, options)
    const [folder, name] = splitPath(absolute)
    const entries = await files.list(folder, { ...options, limit: Number.MAX_SAFE_INTEGER - 1 })
    if (entries.find((entry) => entry.name === name)?.kind !== "symlink") {
      throw new NotAFile({ path: absolute, kind: "directory" })
    }
  }
  try {
    await files.remove(path, options)
    return true
  } catch (error) {
    if (error instanceof FileNotFound) return false
    throw error
  }
}

const splitPath = (path: string): readonly [string, string] => {
  const bare = path.replace(/\/+$/, "")
  const at = bare.lastIndexOf("/")
  return [bare.slice(0, at) || "/", bare.slice(at + 1)]
}

/** Output that a model gets a part of, whole in a file of the sandbox. */
import { randomBytes } from "node:crypto"
import type { Sandbox, SandboxSession } from "@cordon/core"
import { Effect } from "effect"
import { stateOf } from "./state.ts"

/** Characters of a result that a model gets to read. */
export const shownLimit = 30_000

/** Bytes of one that are kept. */
export const keptLimit = 1024 * 1024

const folder = "/tmp/cordon-output"

// The most kept outputs for each sandbox. Older ones are removed.
const mostKept = 20

/**
 * Keeps an output as a file of the sandbox that only its user can read. The file is the sandbox's: it counts
 * there as any other does, and programs of the same user may change it.
 *
 * @returns its path; undefined if the sandbox accepts no file
 */
export const keepOutput = Effect.fnUntraced(function* (
  session: SandboxSession,
  { id, files }: Sandbox,
  name: string,
  content: string | Uint8Array,
) {
  // No other process can put another file there before.
  const path = `${folder}/${name}-${randomBytes(6).toString("hex")}.txt`
  const written = yield* Effect.option(files.write(path, content, { mode: 0o600 }))
  if (written._tag === "None") return undefined
  const { kept } = stateOf(session)
  const paths = [...(kept.get(id) ?? []), path]
  kept.set(id, paths.slice(-mostKept))
  yield* Effect.forEach(paths.slice(0, -mostKept), (old) => Effect.ignore(files.remove(old)))
  return path
})

/** Notes the place of the complete output, or that it was not kept. */
export const showKept = (path: string | undefined) =>
  path === undefined
    ? "The rest could not be kept in a file of the sandbox"
    : `All of it is in ${path}: read that with sandbox_read_file`

/** As many items as a model gets to read. */
export const thatFit = <A>(
  items: ReadonlyArray<A>,
  limit: number,
  show: (item: A) => string,
): ReadonlyArray<A> => {
  let length = 0
  const end = items.findIndex((item) => {
    length += show(item).length + 1
    return length > shownLimit
  })
  return items.slice(0, Math.min(limit, end === -1 ? items.length : end))
}

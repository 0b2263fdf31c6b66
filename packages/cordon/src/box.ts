import {
  type Abortable,
  type ForkOptions,
  type PromiseSandbox,
  type PromiseSandboxes,
  SandboxNotFound,
} from "@cordon/core"
import { called } from "./called.ts"
import type { Hold } from "./hold.ts"
import type { Sandbox } from "./sandbox.ts"

/** The effect of the end of a block on a box. */
export type AtEnd = "remove" | "keep"

const letGo = (hold: Hold) => hold.release().catch(() => {})

/** Makes or finds a sandbox in a session, and holds the session. A failure holds nothing. */
export const boxIn = async (
  hold: Hold,
  atEnd: AtEnd,
  find: (session: PromiseSandboxes) => Promise<PromiseSandbox>,
): Promise<Sandbox> => {
  try {
    return boxOf(await find(hold.session), hold, atEnd)
  } catch (error) {
    await letGo(hold)
    throw error
  }
}

/**
 * Extends core's sandbox object to a box. It stays the same object, which tools and slots of
 * frameworks recognise.
 */
const boxOf = (face: PromiseSandbox, hold: Hold, atEnd: AtEnd): Sandbox => {
  const { fork, remove, [Symbol.asyncDispose]: removeIfThere } = face
  const { session, release } = hold
  let isRemoved = false
  const gone = () => {
    isRemoved = true
    return release()
  }
  return Object.assign(face, {
    address: { session: session.sessionId, name: face.name },
    remove: (options?: Abortable) => called(() => remove(options).then(gone)),
    kill: (options?: Abortable) =>
      called(async () => {
        if (isRemoved) return
        await remove(options).catch((error) => {
          if (!(error instanceof SandboxNotFound)) throw error
        })
        await gone()
      }),
    fork: (options?: ForkOptions & Abortable) =>
      called(async () =>
        boxIn(await hold.another(), "remove", async (session) => {
          const made = await fork(options)
          try {
            return await session.get(made.id)
          } catch (error) {
            await made.remove().catch(() => {})
            throw error
          }
        }),
      ),
    [Symbol.asyncDispose]: async () => {
      try {
        if (atEnd === "remove") await removeIfThere()
        isRemoved ||= atEnd === "remove"
      } finally {
        await release()
      }
    },
  })
}

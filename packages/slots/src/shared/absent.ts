import { FileNotFound, SandboxNotFound } from "@cordon/core"

/** A file's promise, with null in the place of `FileNotFound`. */
export const orNull = <A>(found: Promise<A>): Promise<A | null> =>
  found.catch((error: unknown) => {
    if (error instanceof FileNotFound) return null
    throw error
  })

/** Also resolves if the sandbox is gone. */
export const unlessGone = async (done: Promise<void>): Promise<void> => {
  try {
    await done
  } catch (error) {
    if (!(error instanceof SandboxNotFound)) throw error
  }
}

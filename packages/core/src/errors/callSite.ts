/** Where a program made a call. It is put into words only if the call fails. */
export interface CallSite {
  /** Lines of a stack, from the program's own on; "" where there are none. */
  readonly frames: () => string
}

/** @param ours the function of ours below the one that the program called */
export const callSite = (ours: (...args: never) => unknown): CallSite => {
  const site: { readonly stack?: unknown } = {}
  Error.captureStackTrace(site, ours)
  return {
    frames: () => {
      const lines = typeof site.stack === "string" ? site.stack.split("\n") : []
      // The first frame is the function that the program called.
      return lines
        .filter((line) => line.startsWith("    at "))
        .slice(1)
        .join("\n")
    },
  }
}

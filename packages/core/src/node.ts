const least = [22, 19] as const

/** The versions that a runtime tells: `process.versions`. Bun and Deno tell of themselves as well. */
export type RuntimeVersions = Readonly<Record<string, string | undefined>>

/**
 * Why a program can't use Cordon on this Node, in a line; undefined where it can, and on other
 * runtimes. It needs nothing else of this package, so that it can be asked before anything is imported.
 */
export const unsupportedNode = (
  versions: RuntimeVersions = globalThis.process?.versions ?? {},
): string | undefined => {
  const { node } = versions
  if (node === undefined || versions["bun"] !== undefined || versions["deno"] !== undefined) {
    return undefined
  }
  const [major = 0, minor = 0] = node.split(".").map(Number)
  const enough = major > least[0] || (major === least[0] && minor >= least[1])
  return enough ? undefined : `Cordon needs Node ${least.join(".")} or later; this is Node ${node}.`
}

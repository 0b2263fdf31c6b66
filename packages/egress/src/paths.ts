/** A pattern of paths: decoded characters, `*` within a part, `**` across parts. */
export type PathPattern = ReadonlyArray<"*" | "**" | { readonly is: string }>

// Encoded or not, these characters mean the same (RFC 3986, 2.3).
const unreserved = /%(?:2[de]|3[0-9]|4[1-9a-f]|5[0-9af]|6[1-9a-f]|7[0-9ae])/gi

const normalize = (path: string) =>
  path
    .replace(unreserved, (code) => decodeURIComponent(code))
    // A byte that should have been encoded.
    .replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16)}`)

const decode = (path: string): string | undefined => {
  try {
    return decodeURIComponent(path)
  } catch {
    return undefined
  }
}

// Decoded twice, repeated slashes, dots (some servers cut `;…` off first), another system's slash.
// biome-ignore lint/suspicious/noControlCharactersInRegex: no path has a reason for one
const ambiguous = /%[0-9a-f]{2}|\/\/|\/\.\.?(?:[/;]|$)|[\\\x00-\x1f\x7f]/i

/** Whether all servers read a decoded path in the same way. */
export const isClear = (path: string): boolean => !ambiguous.test(path)

/** A path, without its query. */
export interface ReadPath {
  /** As it is judged: decoded, with its dots resolved. */
  readonly path: string
  /** As it is sent: an encoded slash stays one. */
  readonly sent: string
}

/** Reads the path of a request. Undefined if servers could read it in different ways. */
export const readPath = (given: string): ReadPath | undefined => {
  if (given.includes("\\") || given.includes("//")) return undefined
  const { pathname: sent } = new URL(normalize(given), "http://origin.invalid")
  const path = decode(sent)
  return path !== undefined && isClear(path) ? { path, sent } : undefined
}

/** Takes a pattern apart; undefined if its percent signs are wrong. */
export const parsePattern = (pattern: string): PathPattern | undefined => {
  const parts = pattern.split(/(\*{1,2})/).map((part): PathPattern | undefined => {
    if (part === "*" || part === "**") return [part]
    const text = decode(part)
    return text === undefined ? undefined : [...text].map((is) => ({ is }))
  })
  return parts.includes(undefined) ? undefined : parts.flatMap((part) => part ?? [])
}

/**
 * Whether a whole path matches. All ways through the pattern are followed at once: a regular
 * expression tries one after the other, which takes hours for a path that is chosen for it.
 */
export const matchesPath = (pattern: PathPattern, path: string): boolean => {
  const withNext = (reached: Set<number>) => {
    // A star may match nothing. What is added here is visited as well.
    for (const at of reached) if (typeof pattern[at] === "string") reached.add(at + 1)
    return reached
  }
  let reached = withNext(new Set([0]))
  for (const character of path) {
    const next = new Set<number>()
    for (const at of reached) {
      const part = pattern[at]
      if (part === "**" || (part === "*" && character !== "/")) next.add(at)
      else if (typeof part === "object" && part.is === character) next.add(at + 1)
    }
    if (next.size === 0) return false
    reached = withNext(next)
  }
  return reached.has(pattern.length)
}

/**
 * Whether some server may take a path for one that matches: a server that ignores case, parameters
 * (`;…`) or a slash at the end.
 */
export const mayMatchPath = (pattern: PathPattern, path: string): boolean => {
  const small = pattern.map((part) =>
    typeof part === "string" ? part : { is: part.is.toLowerCase() },
  )
  const whole = path.toLowerCase()
  const spellings = [whole, whole.replace(/;[^/]*/g, "")]
  return spellings
    .flatMap((spelling) => [spelling, spelling.replace(/\/$/, "")])
    .some((spelling) => matchesPath(small, spelling))
}

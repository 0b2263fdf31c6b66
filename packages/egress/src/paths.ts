/** A pattern of paths: decoded characters and `%2F`, `*` within a part, `**` across parts. */
export type PathPattern = ReadonlyArray<"*" | "**" | { readonly is: string }>

// Encoded or not, these characters mean the same (RFC 3986, 2.3).
const unreserved = /%(?:2[de]|3[0-9]|4[1-9a-f]|5[0-9af]|6[1-9a-f]|7[0-9ae])/gi

const normalize = (path: string) =>
  path
    .replace(unreserved, (code) => decodeURIComponent(code))
    // A byte that should have been encoded.
    .replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16)}`)

const slash = "%2F"

/** Decodes all but slashes, which some servers read as a slash and others as a character. */
const decode = (path: string): string | undefined => {
  try {
    return path.split(/%2f/i).map(decodeURIComponent).join(slash)
  } catch {
    return undefined
  }
}

const withSlashes = (path: string) => path.replaceAll(slash, "/")

// What servers read in different ways in a decoded path: codes that are left, repeated slashes, parts
// of dots, parts that are empty without their parameters (`;…`), backslashes and control characters.
// biome-ignore lint/suspicious/noControlCharactersInRegex: no path has a reason for one
const ambiguous = /%[0-9a-f]{2}|\/[/;]|\/\.\.?(?:[/;]|$)|[\\\x00-\x1f\x7f]/i

/** Whether all servers read a decoded path in the same way, but for encoded slashes. */
export const isClear = (path: string): boolean => !ambiguous.test(withSlashes(path))

/** A path, without its query. */
export interface ReadPath {
  /** As it is judged: decoded but for slashes, with its dots resolved. */
  readonly path: string
  /** As it is sent. */
  readonly sent: string
}

/** Reads the path of a request. Undefined if servers could read it in different ways. */
export const readPath = (given: string): ReadPath | undefined => {
  if (/\\|\/\/|%25[0-9a-f]{2}/i.test(given)) return undefined
  const { pathname: sent } = new URL(normalize(given), "http://origin.invalid")
  const path = decode(sent)
  return path !== undefined && isClear(path) ? { path, sent } : undefined
}

const charactersOf = (path: string): ReadonlyArray<string> => path.match(/%2F|./gsu) ?? []

/** Takes a pattern apart; undefined if its percent signs are wrong. */
export const parsePattern = (pattern: string): PathPattern | undefined => {
  const parts = pattern.split(/(\*{1,2})/).map((part): PathPattern | undefined => {
    if (part === "*" || part === "**") return [part]
    const text = decode(part)
    return text === undefined ? undefined : charactersOf(text).map((is) => ({ is }))
  })
  return parts.includes(undefined) ? undefined : parts.flatMap((part) => part ?? [])
}

/**
 * Whether a whole path matches. All ways through the pattern are followed at once: a regular
 * expression tries one after the other, which takes hours for a path that is chosen for it.
 */
const matches = (pattern: PathPattern, path: ReadonlyArray<string>): boolean => {
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

const changed = (pattern: PathPattern, change: (character: string) => string): PathPattern =>
  pattern.map((part) => (typeof part === "string" ? part : { is: change(part.is) }))

// Servers read an encoded slash as a character of its own, or as a slash.
const readings: ReadonlyArray<(text: string) => string> = [(text) => text, withSlashes]

/** Whether a path matches for all servers, however they read an encoded slash. */
export const matchesPath = (pattern: PathPattern, path: string): boolean =>
  readings.every((read) => matches(changed(pattern, read), charactersOf(read(path))))

const lower = (character: string) => (character === slash ? slash : character.toLowerCase())

/**
 * Whether some server may take a path for one that matches: a server that ignores case, parameters
 * (`;…`), slashes at the end, or dots and spaces at the end of a part.
 */
export const mayMatchPath = (pattern: PathPattern, path: string): boolean =>
  readings.some((read) => {
    const small = changed(pattern, (character) => lower(read(character)))
    const whole = read(path)
    const bare = whole.replace(/;[^/]*/g, "")
    return [whole, bare, bare.replace(/[. ]+(?=\/|$)/g, "")]
      .flatMap((spelling) => [spelling, spelling.replace(/\/+$/, "")])
      .some((spelling) => matches(small, charactersOf(spelling).map(lower)))
  })

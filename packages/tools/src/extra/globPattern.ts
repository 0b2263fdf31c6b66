/** Globs of paths: `*`, `?`, `[a-z]`, `**` and `{a,b}`. */

const mostAlternatives = 64

/** The place of the bracket that closes the one at `start`. */
const closing = (glob: string, start: number): number => {
  let depth = 0
  for (let at = start; at < glob.length; at += 1) {
    if (glob[at] === "{") depth += 1
    if (glob[at] === "}") depth -= 1
    if (depth === 0) return at
  }
  return -1
}

const partsOf = (list: string): ReadonlyArray<string> => {
  const parts: Array<string> = []
  let depth = 0
  let start = 0
  for (let at = 0; at < list.length; at += 1) {
    if (list[at] === "{") depth += 1
    if (list[at] === "}") depth -= 1
    if (list[at] === "," && depth === 0) {
      parts.push(list.slice(start, at))
      start = at + 1
    }
  }
  return [...parts, list.slice(start)]
}

/** Expands braces to one glob for each alternative; undefined if there are too many. */
export const alternatives = (glob: string): ReadonlyArray<string> | undefined => {
  const done: Array<string> = []
  const open = [glob]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const start = next.indexOf("{")
    const end = start === -1 ? -1 : closing(next, start)
    if (end === -1) done.push(next)
    else {
      const [before, after] = [next.slice(0, start), next.slice(end + 1)]
      open.push(...partsOf(next.slice(start + 1, end)).map((part) => before + part + after))
    }
    if (done.length + open.length > mostAlternatives) return undefined
  }
  return done.reverse()
}

/** Whether a path segment is a pattern. */
export const isPattern = (segment: string) => /[*?[{]/.test(segment)

type Fits = (character: string) => boolean

/** A set of characters and the position after it; undefined if the bracket is literal. */
const setAt = (glob: ReadonlyArray<string>, start: number): readonly [Fits, number] | undefined => {
  const negated = glob[start] === "!" || glob[start] === "^"
  const first = negated ? start + 1 : start
  const end = glob.indexOf("]", first + 1)
  if (end === -1) return undefined
  const ranges: Array<readonly [string, string]> = []
  for (let at = first; at < end; at += 1) {
    const from = glob[at] ?? ""
    const isRange = glob[at + 1] === "-" && at + 2 < end
    ranges.push([from, isRange ? (glob[at + 2] ?? "") : from])
    if (isRange) at += 2
  }
  const fits: Fits = (character) =>
    ranges.some(([from, to]) => from <= character && character <= to) !== negated
  return [fits, end + 1]
}

/** Whether a name matches a segment of a glob. The time is bounded by the product of both lengths. */
export const nameMatcher = (segment: string): ((name: string) => boolean) => {
  const glob = [...segment]
  const parts: Array<Fits | "any"> = []
  for (let at = 0; at < glob.length; ) {
    const character = glob[at] ?? ""
    const set = character === "[" ? setAt(glob, at + 1) : undefined
    if (set !== undefined) parts.push(set[0])
    else if (character === "*") parts.push("any")
    else parts.push(character === "?" ? () => true : (other) => other === character)
    at = set?.[1] ?? at + 1
  }
  return (name) => {
    const characters = [...name]
    let [part, at] = [0, 0]
    // The position of the last `*`, and the end of its match.
    let [star, reach] = [-1, 0]
    while (at < characters.length) {
      const fits = parts[part]
      if (fits === "any") {
        ;[star, reach] = [part, at]
        part += 1
      } else if (fits?.(characters[at] ?? "")) {
        part += 1
        at += 1
      } else if (star === -1) return false
      else {
        reach += 1
        ;[part, at] = [star + 1, reach]
      }
    }
    return parts.slice(part).every((rest) => rest === "any")
  }
}

/** The state of matching a path against a glob, one name after the other. */
export interface GlobState {
  /** Whether the path so far matches. */
  readonly fits: boolean
  /** Whether a path below it may match. */
  readonly mayGoOn: boolean
  readonly next: (name: string) => GlobState
}

/** Begins to match paths with one glob, which has no braces. */
export const globState = (glob: string): GlobState => {
  const segments = glob.split("/").filter((segment) => segment !== "" && segment !== ".")
  const matchers = segments.map((segment) => (segment === "**" ? "any" : nameMatcher(segment)))
  /** With those after `**`, which may stand for no folder. */
  const spread = (places: ReadonlyArray<number>) => {
    const all = new Set<number>()
    for (const place of places) {
      let at = place
      all.add(at)
      while (matchers[at] === "any") {
        at += 1
        all.add(at)
      }
    }
    return all
  }
  const stateAt = (places: ReadonlySet<number>): GlobState => ({
    fits: places.has(matchers.length),
    mayGoOn: [...places].some((place) => place < matchers.length),
    next: (name) =>
      stateAt(
        spread(
          [...places].flatMap((place) => {
            const matcher = matchers[place]
            if (matcher === undefined) return []
            if (matcher === "any") return [place]
            return matcher(name) ? [place + 1] : []
          }),
        ),
      ),
  })
  return stateAt(spread([0]))
}

/**
 * Whether a relative path matches one of some globs without braces. A glob without a slash matches
 * names only.
 */
export const pathMatcher = (globs: ReadonlyArray<string>): ((path: string) => boolean) => {
  const starts = globs.map((glob) => globState(glob.includes("/") ? glob : `**/${glob}`))
  return (path) =>
    starts.some((start) => path.split("/").reduce((state, name) => state.next(name), start).fits)
}

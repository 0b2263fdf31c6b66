/** What one character of a name must be, or `*` for any number of characters. */
type Part = "*" | ((character: string) => boolean)

/** The set of characters between brackets whose first character is at `start`, and the index of its end. */
const setAt = (glob: ReadonlyArray<string>, start: number): readonly [Part, number] | undefined => {
  const isNegated = glob[start] === "!" || glob[start] === "^"
  const first = isNegated ? start + 1 : start
  // A bracket that comes first is one of the characters.
  const end = glob.indexOf("]", first + 1)
  if (end === -1) return undefined
  const ranges: Array<readonly [from: string, to: string]> = []
  for (let at = first; at < end; at += 1) {
    const from = glob[at] ?? ""
    const isRange = glob[at + 1] === "-" && at + 2 < end
    ranges.push([from, isRange ? (glob[at + 2] ?? "") : from])
    if (isRange) at += 2
  }
  const has = (character: string) =>
    ranges.some(([from, to]) => from <= character && character <= to)
  return [(character) => has(character) !== isNegated, end]
}

const partsOf = (glob: ReadonlyArray<string>): ReadonlyArray<Part> => {
  const parts: Array<Part> = []
  for (let at = 0; at < glob.length; at += 1) {
    const character = glob[at] ?? ""
    const set = character === "[" ? setAt(glob, at + 1) : undefined
    if (character === "*") parts.push("*")
    else if (character === "?") parts.push(() => true)
    else if (set !== undefined) {
      parts.push(set[0])
      at = set[1]
    } else {
      if (character === "\\" && at + 1 < glob.length) at += 1
      const literal = glob[at]
      parts.push((other) => other === literal)
    }
  }
  return parts
}

/** Tells whether a name matches a glob of the shell: `*`, `?`, `[a-z]`, `[!x]` and `\` before a character. */
export const globMatcher = (glob: string): ((name: string) => boolean) => {
  const parts = partsOf([...glob])
  return (name) => {
    const characters = [...name]
    let at = 0
    let part = 0
    // The index of the last `*`, and the index in the name up to which it matches.
    let star = -1
    let reach = 0
    while (at < characters.length) {
      const wanted = parts[part]
      if (wanted === "*") {
        star = part
        reach = at
        part += 1
      } else if (wanted?.(characters[at] ?? "")) {
        at += 1
        part += 1
      } else if (star !== -1) {
        reach += 1
        at = reach
        part = star + 1
      } else {
        return false
      }
    }
    return parts.slice(part).every((rest) => rest === "*")
  }
}

import { Transform, type TransformCallback } from "node:stream"

// Shorter secrets would match by chance.
const shortest = 8

/** The key of a header's value with a scheme before it, such as `Bearer`; otherwise the value and its words. */
const partsOf = (secret: string): ReadonlyArray<string> => {
  const [, key = ""] = /^[a-z-]+\s+(\S+)$/i.exec(secret) ?? []
  return key.length >= shortest ? [key] : [secret, ...secret.split(/\s+/)]
}

/** The texts of an operator's secrets that are looked for in answers. */
export const needlesOf = (secrets: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...new Set(secrets.flatMap(partsOf).filter(({ length }) => length >= shortest)),
]

interface Span {
  readonly from: number
  readonly to: number
}

const spansOf = (length: number, next: (from: number) => number): ReadonlyArray<Span> => {
  const spans: Array<Span> = []
  for (let from = next(0); from >= 0; from = next(from + length))
    spans.push({ from, to: from + length })
  return spans
}

/** A response's header with repeated secrets masked. */
export const scrubText = (text: string, needles: ReadonlyArray<string>): string =>
  // All are found before one is masked: one may be a part of another.
  needles
    .flatMap((needle) => spansOf(needle.length, (from) => text.indexOf(needle, from)))
    .reduce((all, { from, to }) => all.slice(0, from) + "*".repeat(to - from) + all.slice(to), text)

// Milliseconds for which the last bytes are held back: the rest of a secret may follow.
const patience = 10

/**
 * Masks secrets in a response that repeats them unchanged, as servers that echo requests do. The
 * length stays the same. A secret that the server changed first (by an encoding, for example) is
 * not found. If a secret arrives in pieces with a pause between them, the first piece is not masked.
 *
 * The last bytes are held back, always the same number of them: if the number depended on the content,
 * code inside could guess a secret piece by piece with content of its own.
 */
export const makeScrubber = (hidden: ReadonlyArray<string>): Transform => {
  const needles = hidden.map((needle) => Buffer.from(needle, "latin1"))
  const most = Math.max(0, ...needles.map(({ length }) => length - 1))
  // The bytes that are held back: as they came, and masked. So many of them have been passed on.
  let held: Buffer = Buffer.alloc(0)
  let shown: Buffer = Buffer.alloc(0)
  let passed = 0
  let timer: NodeJS.Timeout | undefined
  const mask = (bytes: Buffer, copy: Buffer) => {
    for (const needle of needles) {
      const spans = spansOf(needle.length, (from) => bytes.indexOf(needle, from))
      for (const { from, to } of spans) copy.fill("*", from, to)
    }
  }
  const release = () => {
    // Somebody who reads slowly must not be able to choose where a secret is cut.
    if (scrubber.readableLength > 0) {
      timer = setTimeout(release, patience)
      return
    }
    const rest = shown.subarray(passed)
    passed = shown.length
    if (rest.length > 0) scrubber.push(Buffer.from(rest))
  }
  const scrubber = new Transform({
    transform(piece: Buffer, _, done: TransformCallback) {
      clearTimeout(timer)
      const all = Buffer.concat([held, piece])
      const copy = Buffer.concat([shown, piece])
      mask(all, copy)
      const kept = Math.min(all.length, most)
      const end = all.length - kept
      const known = copy.subarray(passed, Math.max(passed, end))
      held = all.subarray(end)
      shown = Buffer.from(copy.subarray(end))
      passed = Math.max(0, passed - end)
      timer = setTimeout(release, patience)
      done(null, known)
    },
    flush(done: TransformCallback) {
      clearTimeout(timer)
      done(null, shown.subarray(passed))
    },
    destroy(error, done) {
      clearTimeout(timer)
      done(error)
    },
  })
  return scrubber
}

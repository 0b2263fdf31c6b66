import { Transform, type TransformCallback } from "node:stream"

// Shorter secrets would match by chance.
const shortest = 8

/** The key of a header's value with a scheme before it, such as `Bearer`; otherwise the value and its words. */
const partsOf = (secret: string): ReadonlyArray<string> => {
  const [, key = ""] = /^[a-z-]+\s+(\S+)$/i.exec(secret) ?? []
  return key.length >= shortest ? [key] : [secret, ...secret.split(/\s+/)]
}

/** The texts that are looked for in answers. */
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

// So many bytes of a secret's beginning are passed on before it is known what follows them. A
// message that ends with them by chance would otherwise arrive with the next one only.
const open = 2

interface Needle {
  readonly bytes: Buffer
  /** For each length of its beginning: the longest shorter beginning that this one ends with. */
  readonly shorter: Uint32Array
}

// The algorithm of Knuth, Morris and Pratt: code inside chooses what is compared, so each byte must
// cost the same.
const step = ({ bytes, shorter }: Needle, matched: number, byte: number | undefined): number => {
  let length = matched
  while (length > 0 && bytes[length] !== byte) length = shorter[length - 1] ?? 0
  return bytes[length] === byte ? length + 1 : length
}

const needleOf = (text: string): Needle => {
  const bytes = Buffer.from(text, "latin1")
  const needle = { bytes, shorter: new Uint32Array(bytes.length) }
  for (let index = 1; index < bytes.length; index++) {
    needle.shorter[index] = step(needle, needle.shorter[index - 1] ?? 0, bytes[index])
  }
  return needle
}

/** The number of bytes at the end that may be the start of a secret. */
const begun = (all: Buffer, needles: ReadonlyArray<Needle>): number =>
  Math.max(
    0,
    ...needles.map((needle) => {
      let matched = 0
      for (let at = Math.max(0, all.length - needle.bytes.length + 1); at < all.length; at++) {
        matched = step(needle, matched, all[at])
      }
      return matched
    }),
  )

/**
 * Masks secrets in a response that repeats them unchanged, as servers that echo requests do. The
 * length stays the same. A secret that the server changed first (by an encoding, for example) is
 * not found. If a secret arrives in pieces, its first two bytes may stay.
 */
export const makeScrubber = (hidden: ReadonlyArray<string>): Transform => {
  const needles = hidden.map(needleOf)
  const masked = (bytes: Buffer): Buffer => {
    const spans = needles.flatMap(({ bytes: needle }) =>
      spansOf(needle.length, (from) => bytes.indexOf(needle, from)),
    )
    if (spans.length === 0) return bytes
    const copy = Buffer.from(bytes)
    for (const { from, to } of spans) copy.fill("*", from, to)
    return copy
  }
  // What may be the start of a secret, of which the first bytes have been passed on.
  let held: Buffer = Buffer.alloc(0)
  let passed = 0
  return new Transform({
    transform(piece: Buffer, _, done: TransformCallback) {
      const all = Buffer.concat([held, piece])
      const rest = begun(all, needles)
      const known = masked(all).subarray(passed, all.length - Math.max(0, rest - open))
      held = all.subarray(all.length - rest)
      passed = Math.min(rest, open)
      done(null, known)
    },
    flush(done: TransformCallback) {
      done(null, masked(held).subarray(passed))
    },
  })
}

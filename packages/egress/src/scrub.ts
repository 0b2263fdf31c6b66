import { Transform, type TransformCallback } from "node:stream"

// Shorter secrets would match by chance.
const shortest = 8

/** The parts of secrets that are looked for. A header's value may have a word before them: `Bearer`. */
export const needlesOf = (secrets: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...new Set(
    secrets.flatMap((secret) => secret.split(/\s+/)).filter(({ length }) => length >= shortest),
  ),
]

/** A response's header with repeated secrets masked. */
export const scrubText = (text: string, needles: ReadonlyArray<string>): string =>
  needles.reduce((all, needle) => all.replaceAll(needle, "*".repeat(needle.length)), text)

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
  // What may be the start of a secret, of which the first bytes have been passed on.
  let held: Buffer = Buffer.alloc(0)
  let passed = 0
  const clean = (bytes: Buffer) => {
    for (const { bytes: needle } of needles) {
      for (
        let at = bytes.indexOf(needle);
        at >= 0;
        at = bytes.indexOf(needle, at + needle.length)
      ) {
        bytes.fill("*", at, at + needle.length)
      }
    }
    return bytes
  }
  return new Transform({
    transform(piece: Buffer, _, done: TransformCallback) {
      const all = clean(Buffer.concat([held, piece]))
      const rest = begun(all, needles)
      const end = all.length - Math.max(0, rest - open)
      const known = all.subarray(passed, end)
      held = all.subarray(all.length - rest)
      passed = Math.min(rest, open)
      done(null, known)
    },
    flush(done: TransformCallback) {
      done(null, held.subarray(passed))
    },
  })
}

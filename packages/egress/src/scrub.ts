import { Transform, type TransformCallback } from "node:stream"
import { Redacted } from "effect"

// Shorter secrets would match by chance.
const shortest = 8

const needlesOf = (secrets: ReadonlyArray<Redacted.Redacted<string>>) =>
  // A header's value may have a word before the secret: `Bearer`.
  secrets
    .flatMap((secret) => Redacted.value(secret).split(/\s+/))
    .filter(({ length }) => length >= shortest)

/** A response's header with repeated secrets masked. */
export const scrubText = (
  text: string,
  secrets: ReadonlyArray<Redacted.Redacted<string>>,
): string =>
  needlesOf(secrets).reduce(
    (all, needle) => all.replaceAll(needle, "*".repeat(needle.length)),
    text,
  )

/**
 * Masks secrets in a response that repeats them unchanged, as servers that echo requests do. The
 * length stays the same. A secret that the server changed first (by an encoding, for example) is
 * not found.
 */
export const makeScrubber = (secrets: ReadonlyArray<Redacted.Redacted<string>>): Transform => {
  const needles = needlesOf(secrets).map((needle) => Buffer.from(needle, "latin1"))
  /**
   * The number of bytes at the end that may be the start of a secret. All bytes before them are
   * passed on at once.
   */
  const begun = (bytes: Buffer) =>
    Math.max(
      0,
      ...needles.map((needle) => {
        let length = Math.min(needle.length - 1, bytes.length)
        while (
          length > 0 &&
          !bytes.subarray(bytes.length - length).equals(needle.subarray(0, length))
        ) {
          length--
        }
        return length
      }),
    )
  let held: Buffer = Buffer.alloc(0)
  const clean = (bytes: Buffer) => {
    for (const needle of needles) {
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
      const rest = begun(all)
      held = all.subarray(all.length - rest)
      done(null, all.subarray(0, all.length - rest))
    },
    flush(done: TransformCallback) {
      done(null, held)
    },
  })
}

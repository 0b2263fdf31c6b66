/** Finds a text, or a sequence of lines, in another. */

/** For each length of a match, how much of it may still be one after the next part did not fit. */
const fallbacksOf = <A>(sought: ArrayLike<A>): Int32Array => {
  const fallbacks = new Int32Array(sought.length)
  let matched = 0
  for (let at = 1; at < sought.length; at += 1) {
    while (matched > 0 && sought[at] !== sought[matched]) matched = fallbacks[matched - 1] ?? 0
    if (sought[at] === sought[matched]) matched += 1
    fallbacks[at] = matched
  }
  return fallbacks
}

/**
 * The places where `sought` (not empty) begins, including overlapping ones, at most `limit` of
 * them. Takes linear time for every input (Knuth, Morris and Pratt), since a sandbox and a model
 * choose both texts.
 */
export const occurrences = <A>(
  all: ArrayLike<A>,
  sought: ArrayLike<A>,
  { from = 0, limit = Number.POSITIVE_INFINITY } = {},
): ReadonlyArray<number> => {
  const fallbacks = fallbacksOf(sought)
  const found: Array<number> = []
  let matched = 0
  for (let at = from; at < all.length && found.length < limit; at += 1) {
    while (matched > 0 && all[at] !== sought[matched]) matched = fallbacks[matched - 1] ?? 0
    if (all[at] === sought[matched]) matched += 1
    if (matched === sought.length) {
      found.push(at + 1 - matched)
      matched = fallbacks[matched - 1] ?? 0
    }
  }
  return found
}

const takeBack = new WeakMap<Uint8Array, () => void>()

/**
 * Lends a piece of memory to whoever gets it: `free` is called once it has been given back. Returns the
 * piece, which is known by its identity: a part of it can't be given back.
 */
export const lend = (bytes: Uint8Array, free: () => void): Uint8Array => {
  takeBack.set(bytes, free)
  return bytes
}

/**
 * Gives back a piece of a file that was read for `writeFile` or `putArchive`, or that a driver's `readFile` has
 * lent, for more of the file to be read into: who calls it has done with the piece. Nobody has to; it has no effect on what was not
 * lent, or was given back already.
 */
export const giveBack = (bytes: Uint8Array): void => {
  const free = takeBack.get(bytes)
  takeBack.delete(bytes)
  free?.()
}

/** Waits for a promise at most so many milliseconds; undefined if it takes longer. */
export const within = <A>(millis: number, what: Promise<A>): Promise<A | undefined> => {
  let late: NodeJS.Timeout | undefined
  const none = new Promise<undefined>((resolve) => {
    late = setTimeout(resolve, millis, undefined)
  })
  return Promise.race([what, none]).finally(() => clearTimeout(late))
}

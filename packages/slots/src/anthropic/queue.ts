/** Runs tasks one after the other. */
export const makeQueue = () => {
  let last: Promise<unknown> = Promise.resolve()
  return <A>(run: () => Promise<A>): Promise<A> => {
    const next = last.then(run)
    last = next.catch(() => {})
    return next
  }
}

/** The longest time that a timer takes. */
const longest = 2 ** 31 - 1

let pending = 0
let timer: NodeJS.Timeout | undefined

/**
 * Keeps the process alive until the call has ended. Nothing else of ours does: sockets and timers
 * that only wait for the next call must not keep a program from ending.
 */
export const keepAlive = async <A>(call: Promise<A>): Promise<A> => {
  timer ??= setInterval(() => {}, longest)
  if (pending === 0) timer.ref()
  pending += 1
  try {
    return await call
  } finally {
    pending -= 1
    if (pending === 0) timer.unref()
  }
}

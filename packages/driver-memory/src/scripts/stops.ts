import { Duration } from "effect"

// just-bash replaces the globals while a script runs, also for `aborted` below, which it reads at each statement.
const now = Date.now

const longestTimer = 2 ** 31 - 1

export interface Stops {
  readonly script: AbortSignal
  readonly jobs: AbortSignal
  /** Whether the timeout is over. */
  readonly isLate: () => boolean
  readonly hasEnded: () => boolean
  readonly interrupt: () => void
  /** Stops the jobs, the script having ended. */
  readonly end: () => void
  /** At the timeout, aborts a script that is waiting for something. @returns clears the timer */
  readonly startTimer: () => () => void
}

/**
 * The signals that stop a script and its jobs: at the timeout, at an interruption, and the jobs also when
 * the script has ended. In real time, since scripts run in no other.
 */
export const makeStops = (timeout: Duration.Duration | undefined): Stops => {
  const deadline =
    timeout === undefined ? Number.POSITIVE_INFINITY : now() + Duration.toMillis(timeout)
  let interrupted = false
  let ended = false
  const isLate = () => now() >= deadline
  const script = controllerOf(() => interrupted || isLate())
  const jobs = controllerOf(() => interrupted || isLate() || ended)
  const abort = () => {
    script.abort()
    jobs.abort()
  }
  return {
    script: script.signal,
    jobs: jobs.signal,
    isLate,
    hasEnded: () => ended,
    interrupt: () => {
      interrupted = true
      abort()
    },
    end: () => {
      ended = true
      jobs.abort()
    },
    startTimer: () => {
      const left = deadline - now()
      const timer = Number.isFinite(left)
        ? setTimeout(abort, Math.min(left, longestTimer))
        : undefined
      return () => clearTimeout(timer)
    },
  }
}

/** A controller whose signal computes whether it is aborted: while a script is busy, no timer runs. */
const controllerOf = (isAborted: () => boolean): AbortController => {
  const controller = new AbortController()
  Object.defineProperty(controller.signal, "aborted", { get: isAborted })
  return controller
}

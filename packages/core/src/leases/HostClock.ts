/**
 * The time of one host's leases: it passes with a clock, but by no more than a step between two
 * beats. Where the clock jumps, or nobody beats, it all but stands still. See `LeaseStore.beat`.
 */
export class HostClock {
  #time: number
  #beatAt: number
  #step = 0

  /** @param now what the clock says, as in all of its methods: milliseconds */
  constructor(now: number) {
    this.#time = now
    this.#beatAt = now
  }

  now(now: number): number {
    return this.#time + Math.max(0, Math.min(now - this.#beatAt, this.#step))
  }

  beat(now: number, step: number): void {
    this.#time = this.now(now)
    this.#beatAt = now
    this.#step = step
  }
}

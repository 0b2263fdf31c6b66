import { Duration, Schedule } from "effect"
import type { Settings } from "../Settings.ts"
import type { Lease } from "./Lease.ts"

/** How long a call that waits for another one's claim on a lease waits until it looks again. */
export const glance = Duration.millis(50)

/** How often a call looks whether another one's claim on a lease is over. */
export const awaitingClaim = Schedule.spaced(glance)

/** How soon the host's events are watched again after they were interrupted. */
export const reconnecting = Schedule.spaced("100 millis")

/** When a use renews its lease: three times in the lease's life, so that one renewal may fail. */
export const renewing = ({ idleTimeout }: Lease) => Schedule.spaced(Math.max(1, idleTimeout / 3))

/** How soon a renewal that the store did not take is tried again: often before the lease runs out. */
export const retryingRenewal = ({ idleTimeout }: Lease) =>
  Schedule.spaced(Math.min(2000, idleTimeout / 30))

/** How often one that is condemned is tried to be removed: more rarely the longer that fails. In milliseconds. */
export const pauseOfCondemned = ({ unusedFor }: Lease, claim: number) =>
  Math.min(Math.max(unusedFor, claim), Duration.toMillis("10 minutes"))

/** The times that follow from the settings, in milliseconds. */
export const timesOf = ({ idleTimeout, removeTimeout }: Settings["Service"]) => {
  const idle = Duration.toMillis(idleTimeout)
  return {
    /**
     * How much of a host's time passes at most between two beats. A holder renews three times while its lease
     * lasts; after an outage of one step it still has a third of the lease left.
     */
    step: Math.min(30_000, idle / 3),
    /** How long an act on a container is claimed for: ample, yet soon over after a crash. */
    claim: Math.max(5_000, Math.min(30_000, idle)),
    /** How long a creation may go without a renewal before it is broken off. */
    creation: Math.min(60_000, Duration.toMillis(removeTimeout)),
    /** How often the reaper looks, and how often this process beats. */
    reap: Math.min(15_000, Math.max(100, idle / 10)),
  }
}

/** The rules by which something of a swarm is abandoned: no I/O. Times are by the managers' clocks. */
import type { SandboxId } from "@cordon/core"
import { label } from "@cordon/driver-docker/sandbox"
import { Duration } from "effect"
import type { Network, Node, Service, Task } from "../manager/schemas.ts"
import { networkLabel } from "./networks.ts"
import { attemptLabel, isCreating, ownerLabel, runningLabel } from "./service.ts"

/** A creation that shows no sign of life for so long was broken off: some get lost while a leader is elected. */
export const silence = Duration.seconds(12)

// The managers' clocks are not quite the same.
const surely = Duration.minutes(1)

// Claiming a service of the warm pool takes two writes; the managers may elect a leader between them.
const claiming = Duration.minutes(1)

const ageOf = ({ UpdatedAt }: Service, now: number) => now - Date.parse(UpdatedAt)

/**
 * Whether the creation of a service was aborted so long ago that the managers' clocks alone prove
 * it.
 *
 * @param now milliseconds since the epoch
 * @param olderThan the age from which it is abandoned; raised to at least 12 seconds, and lowered
 * to at most a minute
 */
export const isBrokenOffSince = (
  service: Service,
  now: number,
  olderThan: Duration.Duration = surely,
): boolean =>
  isCreating(service) &&
  ageOf(service, now) >= Duration.toMillis(Duration.max(silence, Duration.min(surely, olderThan)))

/**
 * The services that were made ahead and that nobody holds: not renewed for that long, or given to a
 * sandbox that is gone or never came to be.
 */
export const aheadLeft = (
  services: ReadonlyArray<Service>,
  now: number,
  olderThan: Duration.Duration,
): ReadonlyArray<Service> => {
  const named = new Set(services.flatMap(({ Spec }) => Spec.Labels?.[runningLabel] ?? []))
  return services.filter((service) => {
    const labels = service.Spec.Labels ?? {}
    if (labels[label.ahead] === undefined || named.has(service.ID)) return false
    const wait = labels[ownerLabel] === undefined ? olderThan : claiming
    return ageOf(service, now) >= Duration.toMillis(wait)
  })
}

/**
 * The services that are abandoned.
 *
 * @param only the sandbox that they were to become; any where absent
 */
export const abandonedServices = (
  services: ReadonlyArray<Service>,
  now: number,
  olderThan: Duration.Duration,
  only?: SandboxId,
) => ({
  /** Services whose creation was aborted. */
  broken: services.filter(
    (service) =>
      (only === undefined || service.Spec.Name === only) &&
      isBrokenOffSince(service, now, olderThan),
  ),
  /** Those that were made ahead. */
  ahead: aheadLeft(services, now, olderThan).filter(
    ({ Spec }) => only === undefined || Spec.Labels?.[ownerLabel] === only,
  ),
})

/** Whether a task may still use its network and container: not if its node is lost. */
export const isLeft = ({ NodeID }: Task, nodes: ReadonlyArray<Node>): boolean =>
  nodes.some(({ ID, Status }) => ID === NodeID && Status.State !== "down")

const attemptOf = (task: Task) => task.Spec?.ContainerSpec?.Labels?.[attemptLabel]

/**
 * Cordon's objects in a swarm. Networks are listed before services; otherwise a new network would
 * seem to have no service.
 */
export interface Inventory {
  /** Milliseconds since the epoch. */
  readonly now: number
  readonly networks: ReadonlyArray<Network>
  /** Those that are not abandoned themselves. */
  readonly services: ReadonlyArray<Service>
  readonly tasks: ReadonlyArray<Task>
  readonly nodes: ReadonlyArray<Node>
}

/** Networks without a service and without a task that is left. A younger one may be waiting for its service. */
export const abandonedNetworks = (
  { now, networks, services, tasks, nodes }: Inventory,
  olderThan: Duration.Duration,
): ReadonlyArray<Network> => {
  const inUse = new Set([
    ...services.map(({ Spec }) => Spec.Labels?.[attemptLabel]),
    ...tasks.filter((task) => isLeft(task, nodes)).map(attemptOf),
  ])
  return networks.filter(
    ({ Created, Labels }) =>
      !inUse.has(Labels?.[attemptLabel]) &&
      now - Date.parse(Created) >= Duration.toMillis(olderThan),
  )
}

/** The sandbox that a network was made for. */
export const ownerOfNetwork = ({ Name, Labels }: Network): string => Labels?.[networkLabel] ?? Name

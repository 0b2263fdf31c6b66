import { docker } from "@cordon/driver-docker"
import { dockerRemote } from "@cordon/driver-docker-remote"
import { memory } from "@cordon/driver-memory"

/** The driver that a program was started with. */
export const driverOf = (name: string | undefined) => {
  if (name === "docker") return docker()
  return name === "memory" ? memory() : dockerRemote({ host: `${name}` })
}

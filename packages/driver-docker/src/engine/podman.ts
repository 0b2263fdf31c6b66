/**
 * Translates answers of Podman's `system service` that differ from the Docker Engine's.
 * `docs/podman.md` lists what Podman can't do at all.
 */
import type { ContainerInspect, ContainerSummary, EngineInfo } from "./schemas.ts"

/** Only Podman reports the version of its built-in builder. */
export const isPodman = ({ BuildahVersion }: EngineInfo): boolean => BuildahVersion != null

const actions: Readonly<Record<string, string>> = {
  remove: "destroy",
}

/** The action of an event, without the command text that Docker appends after a colon. */
export const actionOf = ({ Action }: { readonly Action: string }): string => {
  const [action = ""] = Action.split(":")
  return actions[action] ?? action
}

/** The network that a container was made on. Podman reports it only among the container's current networks. */
export const networkOf = ({
  HostConfig,
  NetworkSettings,
}: Pick<ContainerInspect | ContainerSummary, "HostConfig" | "NetworkSettings">):
  | string
  | undefined => {
  const mode = HostConfig?.NetworkMode ?? undefined
  if (mode !== undefined && mode !== "bridge") return mode
  return Object.keys(NetworkSettings?.Networks ?? {})[0] ?? mode
}

/** An image's name as Docker shows it: `debian:12` is `docker.io/library/debian:12` in full. */
export const familiar = (image: string): string => image.replace(/^docker\.io\/(library\/)?/, "")

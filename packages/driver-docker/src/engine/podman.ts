/**
 * What Podman's `system service` says otherwise than the Docker Engine whose API it speaks, put in
 * Docker's words. What it can't do at all is in `docs/podman.md`.
 */
import type { ContainerInspect, ContainerSummary, EngineInfo } from "./schemas.ts"

/** Only Podman tells the version of the builder that it has in it. */
export const isPodman = ({ BuildahVersion }: EngineInfo): boolean => BuildahVersion != null

const actions: Readonly<Record<string, string>> = {
  remove: "destroy",
}

/** What an event says has happened; Docker's has a command's whole text after a colon. */
export const actionOf = ({ Action }: { readonly Action: string }): string => {
  const [action = ""] = Action.split(":")
  return actions[action] ?? action
}

/** The network that a container was made on, which Podman tells only among those that it is on. */
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

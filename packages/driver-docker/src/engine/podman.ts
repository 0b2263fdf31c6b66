/**
 * What Podman's `system service` says otherwise than the Docker Engine whose API it speaks, put in
 * Docker's words. What it can't do at all is in `docs/podman.md`.
 */
import type { ContainerInspect, ContainerSummary, EngineInfo } from "./schemas.ts"

/** Only Podman tells the version of the builder that it has in it. */
export const isPodman = ({ BuildahVersion }: EngineInfo): boolean => BuildahVersion != null

const statuses: ReadonlyArray<readonly [RegExp, number]> = [
  [/that name is already in use|container state improper|image is in use/, 409],
  [/network is being used/, 403],
  // Of a container that goes while it is looked at.
  [/no such container/, 404],
]

/** The status that Docker has for what Podman answers with 500. */
export const statusOf = (status: number, detail: string): number =>
  status === 500 ? (statuses.find(([pattern]) => pattern.test(detail))?.[1] ?? status) : status

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

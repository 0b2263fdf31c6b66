import {
  type EngineUnreachable,
  type InvalidInput,
  type SandboxDriver,
  Sandboxes,
} from "@cordon/core"
import { type DockerEngine, layerDriver } from "@cordon/driver-docker"
import { layerEngine } from "@cordon/driver-docker-remote"
import { egressBroker } from "@cordon/egress"
import { Layer, Option } from "effect"
import { Flag } from "effect/cli"

/** The flags that every subcommand has. */
export const common = {
  host: Flag.String("host").pipe(
    Flag.withDescription(
      "Engine: unix:///var/run/docker.sock, tcp://host:2376, https://host:2376, ssh://user@host; found by itself by default",
    ),
    Flag.optional,
  ),
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("Print JSON for programs"),
    Flag.withDefault(false),
  ),
}

/** The drivers' default address range of sandboxes' networks. */
export const defaultSubnetPool = "10.213.0.0/16"

/** The engine at a host, and the driver over it. */
export const connected = (
  host: Option.Option<string>,
): Layer.Layer<SandboxDriver | DockerEngine, EngineUnreachable | InvalidInput> =>
  layerDriver().pipe(
    Layer.provideMerge(layerEngine(Option.isSome(host) ? { host: host.value } : {})),
  )

/** Sandboxes on a host. This program is the egress proxy of those with rules. */
export const sandboxesAt = (host: Option.Option<string>) =>
  Sandboxes.layer().pipe(Layer.provide(egressBroker()), Layer.provideMerge(connected(host)))

import type { DriverCapabilities, Feature, HostError, Runtime } from "@cordon/core"
import { Effect } from "effect"
import { capacityOfHost } from "../engine/capacity.ts"
import { enforcedBy, whyNoLimits } from "../engine/enforcement.ts"
import { isPodman } from "../engine/podman.ts"
import type { EngineInfo } from "../engine/schemas.ts"
import type { OfferedRuntime } from "../Runtimes.ts"
import type { DiskLimits } from "./diskLimits.ts"
import type { Host } from "./host.ts"
import { losesFiles } from "./states.ts"

const features: ReadonlyArray<Feature> = [
  "processes",
  "ports",
  "pause",
  "terminals",
  "snapshots",
  "stats",
  "git",
]

const gvisorCaveats = (gvisor: OfferedRuntime | undefined): ReadonlyArray<string> =>
  gvisor === undefined
    ? []
    : [
        "gvisor: going past the limit of memory ends the sandbox as a whole; it is started anew, and the command's result says so.",
        "gvisor: the limit of processes is set inside, where root may lift it, who tries again may get past it (bash does), and users other than root do not have it; the host ends a sandbox that goes far past it.",
        ...(gvisor.keepsFiles ? [] : [`gvisor: ${losesFiles}.`]),
      ]

const podmanCaveats: ReadonlyArray<string> = [
  "Podman: an internal network would lead to the host, so that such a sandbox has none.",
  "Podman: sandboxes with a bridge network reach a cloud's metadata service, where its host does.",
  "Podman: sandboxes with a bridge network reach containers of others on Podman networks without the option isolate.",
]

const caveatsOf = (
  info: EngineInfo,
  offered: ReadonlyMap<Runtime, OfferedRuntime>,
  enforced: DriverCapabilities["enforced"],
): ReadonlyArray<string> => {
  const unlimited = whyNoLimits(info)
  return [
    "runc and sysbox-runc share the host's kernel: a hole in it is a way out.",
    "Who may inspect the engine can read the environment variables of every sandbox.",
    ...gvisorCaveats(offered.get("gvisor")),
    ...(isPodman(info) ? podmanCaveats : []),
    ...Object.entries(enforced)
      .filter(([, is]) => !is)
      .map(([limit]) => `This engine does not enforce the limit of ${limit}.`),
    ...(unlimited === undefined ? [] : [`This engine limits nothing: ${unlimited}.`]),
  ]
}

/** The capabilities of sandboxes on an engine. */
export const makeCapabilities = (
  { engine, info, runtimes, hostId }: Host,
  diskLimits: DiskLimits,
): Effect.Effect<DriverCapabilities, HostError> =>
  Effect.gen(function* () {
    const [host, version, offered] = yield* Effect.all([info, engine.version, runtimes], {
      concurrency: "unbounded",
    })
    const enforced = { ...enforcedBy(host), disk: diskLimits.enforced(host) }
    const product = isPodman(host) ? "Podman" : "Docker Engine"
    return {
      driver: "docker",
      hostId: yield* hostId,
      hostMark: `${host.Name ?? ""}:${host.DockerRootDir ?? ""}`,
      host: `${product} ${version.Version} (API ${version.ApiVersion}, ${version.Os}/${version.Arch}) at ${engine.endpoint}`,
      runtimes: [...offered.values()].map(({ name: _, ...runtime }) => runtime),
      enforced,
      capacity: yield* capacityOfHost(host),
      features: isPodman(host) ? features : [...features, "egress"],
      caveats: caveatsOf(host, offered, enforced),
    }
  })

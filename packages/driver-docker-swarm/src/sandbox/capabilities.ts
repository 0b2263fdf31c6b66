import { type DriverCapabilities, type HostError, isolationOf } from "@cordon/core"
import { enforcedBy, type schemas } from "@cordon/driver-docker/engine"
import { defaultPids } from "@cordon/driver-docker/sandbox"
import { Effect, Option } from "effect"
import type { Manager } from "../manager/Manager.ts"
import type { Node } from "../manager/schemas.ts"
import type { Finish, FinishOptions } from "./finish.ts"
import type { Nodes } from "./nodes.ts"
import { runtimesOf } from "./placement.ts"
import { nodeRuntime } from "./service.ts"

/** Whether gVisor sends packets itself, so that our rules in the kernel's network do not apply. */
const hasOwnStack = (
  runtimes: schemas.EngineInfo["Runtimes"],
  names: ReadonlyArray<string>,
): boolean =>
  names.some((name) => {
    const found = runtimes?.[name]
    return found !== undefined && !found.runtimeArgs?.includes("--network=host")
  })

/** The capabilities of a swarm, from its nodes. */
export const makeCapabilities = (
  manager: Manager,
  nodesOf: Nodes,
  { isOpen, isSoft }: Finish,
  options: Pick<FinishOptions, "namesOf"> & { readonly hostId: string | undefined },
): Effect.Effect<DriverCapabilities, HostError> =>
  Effect.gen(function* () {
    const [swarm, version, nodes] = yield* Effect.all(
      [manager.swarm, manager.version, manager.nodes],
      { concurrency: "unbounded" },
    )
    const engines = yield* nodesOf.reachable(nodes)
    const infos = yield* Effect.forEach(
      engines,
      ({ engine, node, host }) =>
        Effect.map(Effect.option(engine.info), (info) => ({ info, node, host })),
      { concurrency: 8 },
    )
    const limits = infos.flatMap(({ info }) => Option.toArray(Option.map(info, enforcedBy)))
    const enforced = {
      memory: limits.every(({ memory }) => memory),
      cpus: limits.every(({ cpus }) => cpus),
      pids: limits.every(({ pids }) => pids),
      disk: false,
    }
    const silent = infos.filter(({ info }) => Option.isNone(info))
    const unguarded = infos.filter(
      ({ host, node, info }) =>
        isOpen(host) ||
        (node.Spec.Labels?.[nodeRuntime] === "gvisor" &&
          Option.exists(info, ({ Runtimes }) => hasOwnStack(Runtimes, options.namesOf("gvisor")))),
    )
    const soft = infos.filter(({ host }) => isSoft(host))
    const hostnames = (of: typeof infos) =>
      of.map(({ node }) => node.Description.Hostname).join(", ")
    const largest = (of: (node: Node) => number | null | undefined) =>
      Math.max(0, ...engines.map(({ node }) => of(node) ?? 0))
    const memory = largest(({ Description }) => Description.Resources.MemoryBytes)
    const cpus = largest(({ Description }) => Description.Resources.NanoCPUs) / 1e9
    const capabilities: DriverCapabilities = {
      driver: "docker-swarm",
      hostId: options.hostId ?? swarm.ID,
      host: `Docker swarm of ${nodes.length} nodes, ${engines.length} of them ready for sandboxes (Engine ${version.Version}, API ${version.ApiVersion}), managed at ${manager.endpoint}`,
      runtimes: runtimesOf(nodes).map((runtime) => ({
        runtime,
        isolation: isolationOf(runtime),
        // A stopped one is frozen, not gone.
        keepsFiles: true,
      })),
      enforced,
      capacity: engines.length === 0 ? {} : { memory, cpus, pids: defaultPids({ memory, cpus }) },
      features: ["processes", "ports", "pause", "terminals", "snapshots", "stats", "git"],
      caveats: [
        "runc and sysbox-runc share the host's kernel: a hole in it is a way out.",
        "Who may inspect the swarm can read the environment variables of every sandbox.",
        "A sandbox ends, with its files, when its node is lost or drained or when its first process ends; it is then listed as stopped and can only be removed.",
        "A stopped sandbox keeps its place: what it reserved of its node's memory and CPU is free again when it is removed.",
        "Traffic between nodes is not encrypted; a sandbox has a network of its own, and no peer in it.",
        ...(unguarded.length === 0
          ? []
          : [
              `Sandboxes on ${hostnames(unguarded)} with the network bridge can send forged packets into the networks of others, and reach the nodes' own ports: filter what comes from docker_gwbridge there.`,
            ]),
        "Disk space is not limited.",
        ...(runtimesOf(nodes).includes("gvisor")
          ? [
              "gvisor: swap is not limited, since a service has no field for it and gVisor can't change a limit later; have no swap on such nodes.",
            ]
          : []),
        ...(soft.length === 0
          ? []
          : [
              `Programs may gain privileges on ${hostnames(soft)}: set "no-new-privileges": true in daemon.json there.`,
            ]),
        ...(silent.length === 0
          ? []
          : [`The engines of ${hostnames(silent)} do not answer: sandboxes there can't be used.`]),
        ...Object.entries(enforced)
          .filter(([limit, is]) => !is && limit !== "disk")
          .map(([limit]) => `Not every node enforces the limit of ${limit}.`),
      ],
    }
    return capabilities
  }).pipe(Effect.scoped)

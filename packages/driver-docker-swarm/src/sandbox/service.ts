import type { SandboxId, SandboxSpec } from "@cordon/core"
import { becomesInit, containerSpec, label } from "@cordon/driver-docker/sandbox"
import type { Service } from "../manager/schemas.ts"

/**
 * On a service: what was done to its sandbox (`stopped`, `paused`) or that it is none yet (`creating`),
 * and whom commands run as.
 */
export const stateLabel = "dev.cordon.state"
export const userLabel = "dev.cordon.user"
/**
 * The creation that made a service, its task's container and its network. A creation whose answer
 * got lost recognises its own objects by it, and the remains of a removal can be found.
 */
export const attemptLabel = "dev.cordon.attempt"

/**
 * A sandbox from the warm pool consists of two services: one whose task runs, and one without a
 * task that has the sandbox's name, its labels, and (in this label) the ID of the other.
 */
export const runningLabel = "dev.cordon.service"

/** When the one with the task was made, on the other one: the age of the sandbox. */
export const madeLabel = "dev.cordon.made"

/** On a service of the warm pool: its owner, after it was given away. */
export const ownerLabel = "dev.cordon.owner"

/**
 * A service is no sandbox until its creation is through: nobody sees or uses it. The creation changes its beat
 * now and then, so that everybody can tell one that goes on from one that was broken off.
 */
export const creating = { [stateLabel]: "creating" } as const
export const beatLabel = "dev.cordon.beat"

export const isCreating = ({ Spec }: Service): boolean =>
  Spec.Labels?.[stateLabel] === creating[stateLabel]

/** The service whose task runs the sandbox. */
export const runningServiceOf = ({ ID, Spec }: Service): string => Spec.Labels?.[runningLabel] ?? ID

/** A label of nodes: which runtime their engine runs containers with; one without takes no sandbox. */
export const nodeRuntime = label.runtime

/**
 * The service of a sandbox. Its container has the same specification as that of the Docker driver,
 * as far as services can express it. The rest (swap, no network at all) is set on the running
 * container, before anything but the waiting shell runs in it.
 */
export const serviceSpec = (options: {
  /** Its name. */
  readonly id: SandboxId
  readonly spec: Omit<SandboxSpec, "name">
  readonly workdir: string
  readonly labels: Readonly<Record<string, string>>
  readonly attempt: string
  /** The name of its network; none where it has no network. */
  readonly network: string | undefined
  /** The ID of the only node that may run it; any that is labelled for it where absent. */
  readonly node?: string | undefined
  /** Whether this service only holds the name, and another service runs the task. */
  readonly isName?: boolean
  /** Whether its image has our init, as snapshots do. */
  readonly hasInit?: boolean
}) => {
  const { id, spec, workdir, labels, attempt, network, node, isName = false } = options
  const { HostConfig: host, ...container } = containerSpec({
    spec,
    runtime: "",
    workdir,
    labels,
    network,
  })
  const room = { NanoCPUs: host.NanoCpus, MemoryBytes: host.Memory }
  return {
    Name: id,
    Labels: labels,
    TaskTemplate: {
      ContainerSpec: {
        Image: container.Image,
        Hostname: container.Hostname,
        // No file can be put into a container before the swarm starts it. The shell waits for input, because
        // on gVisor a program never sees a file that was added after the program had looked for it.
        Command: options.hasInit
          ? [...container.Entrypoint, ...container.Cmd]
          : ["/bin/sh", "-c", becomesInit, "sh", ...container.Cmd],
        OpenStdin: true,
        Env: container.Env,
        Dir: container.WorkingDir,
        // The user of the init. It runs each command as the command's own user.
        User: container.User,
        // Not the sandbox's own labels: a Docker driver on the node's engine would take the
        // container for its own.
        Labels: { [label.id]: id, [label.version]: "1", [attemptLabel]: attempt },
        // With any other signal a frozen container stays frozen.
        StopSignal: "SIGTERM",
        StopGracePeriod: container.StopTimeout * 1e9,
        Healthcheck: container.Healthcheck,
        // Cordon's init must be process 1, even if the engine adds its own by default.
        Init: false,
        CapabilityDrop: host.CapDrop,
        CapabilityAdd: host.CapAdd.map((capability) => `CAP_${capability}`),
        Ulimits: host.Ulimits,
        // Engines before 25 (API 1.44) ignore it: there it is a setting of the node's daemon.
        Privileges: { NoNewPrivileges: true },
        DNSConfig: host.Dns && { Nameservers: host.Dns },
      },
      Resources: {
        Limits: { ...room, Pids: host.PidsLimit },
        // Equal to the limits, so that a node never promises more than it has.
        Reservations: room,
      },
      // Keeps at least one attempt regardless of the swarm's history limit: a forgotten task loses
      // its container.
      RestartPolicy: { Condition: "none", MaxAttempts: 1 },
      Placement: {
        Constraints: [
          `node.labels.${nodeRuntime}==${spec.runtime}`,
          ...(node === undefined ? [] : [`node.id==${node}`]),
        ],
      },
      // Only attached programs read the init's output.
      LogDriver: { Name: host.LogConfig.Type },
      Networks: network === undefined ? undefined : [{ Target: network }],
    },
    Mode: { Replicated: { Replicas: isName ? 0 : 1 } },
    // No virtual address: nobody calls a sandbox through one.
    EndpointSpec: { Mode: "dnsrr" },
  }
}

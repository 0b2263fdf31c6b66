import type { HostError } from "@cordon/core"
import { Context, type Effect, type Option, type Redacted, type Scope, type Stream } from "effect"
import type { PathStat } from "./engine/pathStat.ts"
import type {
  ContainerInspect,
  ContainerSummary,
  EngineEvent,
  EngineInfo,
  EngineVersion,
  ImageInspect,
  ImageSummary,
  NetworkSummary,
  PullMessage,
} from "./engine/schemas.ts"

/** The attachment of a running command, or of a container's main process. */
export interface ExecConnection {
  /**
   * Passes the output, multiplexed frames of stdout and stderr, to `take` piece by piece as it
   * arrives. A piece is valid only until `take` returns: its memory is reused. `take` returns
   * whether it wants the next piece; if not, none comes until `resume`. Call it only once.
   */
  readonly receive: (take: (piece: Uint8Array) => boolean) => {
    /** Asks for the pieces that come after one that `take` did not want the next of. */
    readonly resume: () => void
    /** Waits for the end of the output. */
    readonly end: Effect.Effect<void, HostError>
  }
  /**
   * Writes to standard input, and returns once the memory of the pieces may be used again; has no effect
   * once the command no longer reads.
   */
  readonly write: (pieces: ReadonlyArray<Uint8Array>) => Effect.Effect<void>
  /** Closes standard input and leaves the output open. */
  readonly end: Effect.Effect<void>
}

/** A network as the engine makes it. */
export interface NetworkSpec {
  readonly Name: string
  readonly Driver: "bridge"
  readonly Internal: boolean
  readonly CheckDuplicate: true
  readonly Labels: Readonly<Record<string, string>>
  readonly Options: Readonly<Record<string, string>>
  readonly IPAM: { readonly Config: ReadonlyArray<{ readonly Subnet: string }> }
}

/** The specification of a container. It has no privileged option, no mounts and no devices on purpose. */
export interface ContainerSpec {
  readonly Image: string
  readonly Hostname: string
  readonly Entrypoint: ReadonlyArray<string>
  readonly Cmd: ReadonlyArray<string>
  readonly Env: ReadonlyArray<string>
  readonly Labels: Readonly<Record<string, string>>
  readonly WorkingDir: string
  readonly User?: string
  /** Whether the main process has a standard input to attach to; it has an empty one where absent. */
  readonly OpenStdin?: true
  /** Whether that input ends with the first attachment. */
  readonly StdinOnce?: true
  readonly Healthcheck: { readonly Test: ["NONE"] }
  /** Seconds. */
  readonly StopTimeout: number
  /** The settings of the network that `NetworkMode` names. */
  readonly NetworkingConfig?:
    | {
        readonly EndpointsConfig: Readonly<
          Record<string, { readonly IPAMConfig: { readonly LinkLocalIPs: [string] } }>
        >
      }
    | undefined
  readonly HostConfig: {
    readonly Runtime: string
    readonly NetworkMode: string
    /** Name servers that the engine's own resolver asks; the host's where absent. */
    readonly Dns?: ReadonlyArray<string> | undefined
    /** `name:address`, as lines of `/etc/hosts`. */
    readonly ExtraHosts?: ReadonlyArray<string>
    readonly ReadonlyRootfs?: true
    /** Mount options by path. */
    readonly Tmpfs?: Readonly<Record<string, string>>
    /** Bytes. */
    readonly Memory: number
    readonly MemorySwap: number
    /** Billionths of a core. */
    readonly NanoCpus: number
    /** Numbers of CPUs: `0,2`. All of the engine's where absent. */
    readonly CpusetCpus?: string | undefined
    readonly PidsLimit: number
    /** Bytes, as text. */
    readonly StorageOpt?: { readonly size: string } | undefined
    /** Whether the engine's own init is process 1, whatever its configuration says. */
    readonly Init: boolean
    readonly CapDrop: ReadonlyArray<string>
    readonly CapAdd: ReadonlyArray<string>
    readonly SecurityOpt: ReadonlyArray<string>
    readonly IpcMode: "private"
    readonly RestartPolicy: { readonly Name: "no" | "always" }
    readonly LogConfig: {
      /** The log driver; `none` keeps nothing of the output. */
      readonly Type: string
      readonly Config: Readonly<Record<string, string>>
    }
    readonly Ulimits: ReadonlyArray<{
      readonly Name: string
      readonly Soft: number
      readonly Hard: number
    }>
  }
}

/** `{ label: ["a=b"] }` and the like, as the Engine API has them. */
export type Filters = Readonly<Record<string, ReadonlyArray<string> | undefined>>

/**
 * The calls of the Engine REST API that Cordon makes: the port that a way to reach an engine
 * implements. Every call fails with `EngineUnreachable`, or with an `EngineError` that has the
 * engine's status and message if the engine refused the call.
 *
 * @see https://docs.docker.com/reference/api/engine/
 */
export class DockerEngine extends Context.Service<
  DockerEngine,
  {
    /** Where the engine is, for people: `unix:///var/run/docker.sock`. */
    readonly endpoint: string
    /** The versions of the engine and of its API. */
    readonly version: Effect.Effect<EngineVersion, HostError>
    /** What the engine has and can do. */
    readonly info: Effect.Effect<EngineInfo, HostError>
    /** An image by its name or ID; `NotFound` where the engine does not have it. */
    readonly imageInspect: (image: string) => Effect.Effect<ImageInspect, HostError>
    /** The images that pass the filters. */
    readonly imageList: (filters: Filters) => Effect.Effect<ReadonlyArray<ImageSummary>, HostError>
    /** Removes an image that no container uses. */
    readonly imageRemove: (image: string) => Effect.Effect<void, HostError>
    /** @param auth the value of `X-Registry-Auth`, for the registry that the image names */
    readonly imagePull: (
      image: string,
      auth?: Redacted.Redacted<string>,
    ) => Stream.Stream<PullMessage, HostError>
    /** @returns the network's ID */
    readonly networkCreate: (spec: NetworkSpec) => Effect.Effect<string, HostError>
    /** The networks that pass the filters; all of them without filters. */
    readonly networkList: (
      filters?: Filters,
    ) => Effect.Effect<ReadonlyArray<NetworkSummary>, HostError>
    /** Connects a container to another network, with this address if one is given. */
    readonly networkConnect: (
      network: string,
      container: string,
      address?: string,
    ) => Effect.Effect<void, HostError>
    /** Removes a network that no container is on. */
    readonly networkRemove: (id: string) => Effect.Effect<void, HostError>
    /** @returns the container's ID */
    readonly containerCreate: (
      name: string,
      spec: ContainerSpec,
    ) => Effect.Effect<string, HostError>
    /**
     * Renames a container; a container has exactly one name. With the old name the call fails with
     * 404 if the container has been renamed since, and with 409 if the new name is taken.
     */
    readonly containerRename: (name: string, newName: string) => Effect.Effect<void, HostError>
    /** A container by its name or ID, whether it runs or not. */
    readonly containerInspect: (id: string) => Effect.Effect<ContainerInspect, HostError>
    /** The containers that pass the filters, those that do not run too. */
    readonly containerList: (
      filters: Filters,
    ) => Effect.Effect<ReadonlyArray<ContainerSummary>, HostError>
    /** The standard output of its main process, as multiplexed frames. */
    readonly containerLogs: (id: string) => Stream.Stream<Uint8Array, HostError>
    /**
     * The stat of a path in the container's file system, if the path exists. The container need not
     * be started.
     */
    readonly containerPathStat: (
      id: string,
      path: string,
    ) => Effect.Effect<Option.Option<PathStat>, HostError>
    /**
     * Unpacks a tar archive into an existing folder of the container, which need not be started. If
     * the folder is missing, Docker refuses with 404; Podman makes it.
     */
    readonly containerPutArchive: (
      id: string,
      path: string,
      archive: Uint8Array,
    ) => Effect.Effect<void, HostError>
    /**
     * Attaches to standard input, output and error of its main process. An attachment from before
     * the start misses no output; Podman then reports a failed start here. The end of the scope
     * closes the connection.
     */
    readonly containerAttach: (id: string) => Effect.Effect<ExecConnection, HostError, Scope.Scope>
    /** Starts a container; no effect on one that runs. */
    readonly containerStart: (id: string) => Effect.Effect<void, HostError>
    /** Stops a container, and kills it after its `StopTimeout`; no effect on one that does not run. */
    readonly containerStop: (id: string) => Effect.Effect<void, HostError>
    /** Kills a container's main process; no effect on one that does not run. */
    readonly containerKill: (id: string) => Effect.Effect<void, HostError>
    /** Makes an image of a container's file system and configuration, pausing it meanwhile. */
    readonly containerCommit: (
      id: string,
      image: {
        readonly repo: string
        readonly tag: string
        /** Instructions of a Dockerfile. */
        readonly changes: string
        /**
         * Variables whose value in the image differs from the container's: `NAME=value`, or a name
         * alone for a variable that is not set. Podman ignores them.
         */
        readonly environment?: ReadonlyArray<string>
      },
    ) => Effect.Effect<void, HostError>
    /** Freezes all processes of a container. */
    readonly containerPause: (id: string) => Effect.Effect<void, HostError>
    /** Lets a paused container go on. */
    readonly containerUnpause: (id: string) => Effect.Effect<void, HostError>
    /** Removes a container with its anonymous volumes, and kills it first if it runs. */
    readonly containerRemove: (id: string) => Effect.Effect<void, HostError>
    /** Prepares a program in a running container, as root and with all its streams. @returns its ID */
    readonly execCreate: (
      container: string,
      command: ReadonlyArray<string>,
    ) => Effect.Effect<string, HostError>
    /** Starts a prepared program, and attaches to its streams. The end of the scope closes the connection. */
    readonly execStart: (id: string) => Effect.Effect<ExecConnection, HostError, Scope.Scope>
    /** Events from now on, until the connection breaks. */
    readonly events: (filters: Filters) => Stream.Stream<EngineEvent, HostError>
  }
>()("@cordon/driver-docker/DockerEngine") {}

/** The parts of the engine's answers that Cordon reads. Unknown fields are ignored. */

import { EngineError } from "@cordon/core"
import { Effect, Schema } from "effect"

const optional = <S extends Schema.Constraint>(schema: S) =>
  Schema.optionalKey(Schema.NullishOr(schema))
const Labels = Schema.Record(Schema.String, Schema.String)
/** By the networks' names. */
const NetworkSettings = Schema.Struct({
  Networks: optional(Schema.Record(Schema.String, Schema.Unknown)),
})

export const EngineVersion = Schema.Struct({
  Version: Schema.String,
  ApiVersion: Schema.String,
  Os: Schema.String,
  Arch: Schema.String,
})
export type EngineVersion = typeof EngineVersion.Type

export const EngineInfo = Schema.Struct({
  ID: optional(Schema.String),
  /** The host's name. */
  Name: optional(Schema.String),
  KernelVersion: optional(Schema.String),
  DockerRootDir: optional(Schema.String),
  /** The storage driver. */
  Driver: optional(Schema.String),
  DriverStatus: optional(Schema.Array(Schema.Array(Schema.String))),
  /** The engine's clock, as an RFC 3339 date. */
  SystemTime: optional(Schema.String),
  /** CPU cores. */
  NCPU: Schema.Number,
  /** Bytes. */
  MemTotal: Schema.Number,
  MemoryLimit: optional(Schema.Boolean),
  CpuCfsQuota: optional(Schema.Boolean),
  CPUSet: optional(Schema.Boolean),
  PidsLimit: optional(Schema.Boolean),
  Runtimes: optional(
    Schema.Record(
      Schema.String,
      Schema.Struct({ runtimeArgs: optional(Schema.Array(Schema.String)) }),
    ),
  ),
  DefaultRuntime: optional(Schema.String),
  /** Only on Podman. */
  BuildahVersion: optional(Schema.String),
  /** Only on Podman. */
  Rootless: optional(Schema.Boolean),
  CgroupVersion: optional(Schema.String),
  CgroupDriver: optional(Schema.String),
  SecurityOptions: optional(Schema.Array(Schema.String)),
  /** `active` on a node of a swarm. */
  Swarm: optional(Schema.Struct({ LocalNodeState: optional(Schema.String) })),
})
export type EngineInfo = typeof EngineInfo.Type

export const ImageInspect = Schema.Struct({
  Id: Schema.String,
  /** The architecture in Go's words: `amd64`. */
  Architecture: optional(Schema.String),
  /** Its names in registries: `REPOSITORY@sha256:...`. */
  RepoDigests: optional(Schema.Array(Schema.String)),
  Config: optional(
    Schema.Struct({
      User: optional(Schema.String),
      WorkingDir: optional(Schema.String),
      Labels: optional(Labels),
      /** `NAME=value`, or a name alone: a variable that is not set. */
      Env: optional(Schema.Array(Schema.String)),
    }),
  ),
})
export type ImageInspect = typeof ImageInspect.Type

export const ImageSummary = Schema.Struct({
  Id: Schema.String,
  RepoTags: optional(Schema.Array(Schema.String)),
  Labels: optional(Labels),
  /** Seconds since the epoch. */
  Created: Schema.Number,
  /** Bytes, including layers that it shares with other images. */
  Size: Schema.Number,
})
export type ImageSummary = typeof ImageSummary.Type

/** One line of the answer to a pull. */
export const PullMessage = Schema.Struct({
  status: optional(Schema.String),
  id: optional(Schema.String),
  error: optional(Schema.String),
  progressDetail: optional(
    Schema.Struct({ current: optional(Schema.Number), total: optional(Schema.Number) }),
  ),
})
export type PullMessage = typeof PullMessage.Type

export const NetworkSummary = Schema.Struct({
  Id: Schema.String,
  Name: Schema.String,
  Created: Schema.String,
  Labels: optional(Labels),
  IPAM: optional(
    Schema.Struct({
      Config: optional(Schema.Array(Schema.Struct({ Subnet: optional(Schema.String) }))),
    }),
  ),
})
export type NetworkSummary = typeof NetworkSummary.Type

export const ContainerSummary = Schema.Struct({
  Id: Schema.String,
  Names: Schema.Array(Schema.String),
  Image: Schema.String,
  /** Seconds since the epoch. */
  Created: Schema.Number,
  State: Schema.String,
  Labels: Labels,
  HostConfig: optional(Schema.Struct({ NetworkMode: optional(Schema.String) })),
  NetworkSettings: optional(NetworkSettings),
})
export type ContainerSummary = typeof ContainerSummary.Type

export const ContainerInspect = Schema.Struct({
  Id: Schema.String,
  Name: Schema.String,
  Created: Schema.String,
  /** The ID of its image. */
  Image: optional(Schema.String),
  State: Schema.Struct({
    Status: Schema.String,
    Running: Schema.Boolean,
    OOMKilled: optional(Schema.Boolean),
    ExitCode: optional(Schema.Number),
    /** RFC 3339. */
    FinishedAt: optional(Schema.String),
  }),
  Config: Schema.Struct({
    Image: Schema.String,
    Labels: optional(Labels),
    Env: optional(Schema.Array(Schema.String)),
  }),
  HostConfig: optional(
    Schema.Struct({ NetworkMode: optional(Schema.String), Runtime: optional(Schema.String) }),
  ),
  NetworkSettings: optional(NetworkSettings),
})
export type ContainerInspect = typeof ContainerInspect.Type

export const Created = Schema.Struct({ Id: Schema.String })

export const EngineEvent = Schema.Struct({
  Type: Schema.String,
  Action: Schema.String,
  Actor: Schema.Struct({ ID: Schema.String, Attributes: optional(Labels) }),
})
export type EngineEvent = typeof EngineEvent.Type

/** Decodes an answer of the engine. Fails with `EngineError` if the answer has another shape. */
export const decodeAnswer =
  <S extends Schema.Constraint & { readonly DecodingServices: never }>(
    operation: string,
    schema: S,
  ) =>
  (answer: unknown): Effect.Effect<S["Type"], EngineError> =>
    Schema.decodeUnknownEffect(schema)(answer).pipe(
      Effect.mapError(
        (error) =>
          new EngineError({
            operation,
            reason: { _tag: "NotUnderstood" },
            detail: `its answer is not what the Engine API documents: ${error.message}`,
          }),
      ),
    )

/** The parts of a manager's answers that Cordon reads. Unknown fields are ignored. */
import { Schema } from "effect"

const optional = <S extends Schema.Constraint>(schema: S) =>
  Schema.optionalKey(Schema.NullishOr(schema))
const Labels = Schema.Record(Schema.String, Schema.String)

export const Swarm = Schema.Struct({
  ID: Schema.String,
  /** UDP, of overlay networks; 0 for the usual one. */
  DataPathPort: optional(Schema.Number),
})

export const Node = Schema.Struct({
  ID: Schema.String,
  Spec: Schema.Struct({ Labels: optional(Labels), Availability: Schema.String }),
  Description: Schema.Struct({
    Hostname: Schema.String,
    Resources: Schema.Struct({
      NanoCPUs: optional(Schema.Number),
      MemoryBytes: optional(Schema.Number),
    }),
  }),
  Status: Schema.Struct({ State: Schema.String, Addr: optional(Schema.String) }),
  ManagerStatus: optional(Schema.Struct({ Addr: optional(Schema.String) })),
})
export type Node = typeof Node.Type

export const Service = Schema.Struct({
  ID: Schema.String,
  Version: Schema.Struct({ Index: Schema.Number }),
  CreatedAt: Schema.String,
  UpdatedAt: Schema.String,
  Spec: Schema.Struct({
    Name: Schema.String,
    Labels: optional(Labels),
    TaskTemplate: Schema.Struct({ ContainerSpec: Schema.Struct({ Image: Schema.String }) }),
  }),
})
export type Service = typeof Service.Type

/** A service with all of its specification, to be sent back with another label. */
export const WholeService = Schema.Struct({
  ID: Schema.String,
  Version: Schema.Struct({ Index: Schema.Number }),
  CreatedAt: Schema.String,
  Spec: Schema.Record(Schema.String, Schema.Unknown),
})

export type WholeService = typeof WholeService.Type

export const Task = Schema.Struct({
  ID: Schema.String,
  ServiceID: optional(Schema.String),
  NodeID: optional(Schema.String),
  DesiredState: Schema.String,
  Spec: optional(
    Schema.Struct({ ContainerSpec: optional(Schema.Struct({ Labels: optional(Labels) })) }),
  ),
  Status: Schema.Struct({
    State: Schema.String,
    Err: optional(Schema.String),
    Message: optional(Schema.String),
    ContainerStatus: optional(
      Schema.Struct({ ContainerID: optional(Schema.String), ExitCode: optional(Schema.Number) }),
    ),
  }),
})
export type Task = typeof Task.Type

export const Network = Schema.Struct({
  Id: Schema.String,
  Name: Schema.String,
  /** Empty until the managers have allotted its addresses. */
  Driver: Schema.String,
  Created: Schema.String,
  Labels: optional(Labels),
  IPAM: optional(
    Schema.Struct({
      Config: optional(Schema.Array(Schema.Struct({ Subnet: optional(Schema.String) }))),
    }),
  ),
})
export type Network = typeof Network.Type

export const ServiceCreated = Schema.Struct({ ID: Schema.String })

/** A task's container, as its node has it. */
export const Container = Schema.Struct({
  Image: Schema.String,
  HostConfig: Schema.Struct({ Runtime: Schema.String }),
  NetworkSettings: Schema.Struct({
    Networks: optional(Schema.Record(Schema.String, Schema.Unknown)),
  }),
})

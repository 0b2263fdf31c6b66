import {
  LeaseTerms,
  Limits,
  NetworkMode,
  Runtime,
  SandboxId,
  type SandboxInfo,
  SandboxName,
  type SandboxSpec,
  type SandboxStatus,
  SessionKey,
  sandboxId,
} from "@cordon/core"
import { Option, Schema } from "effect"

/** The labels by which everything of ours is found again. Environment variables are never in them. */
export const label = {
  id: "dev.cordon.id",
  session: "dev.cordon.session",
  name: "dev.cordon.name",
  version: "dev.cordon.spec",
  runtime: "dev.cordon.runtime",
  network: "dev.cordon.network",
  limits: "dev.cordon.limits",
  lease: "dev.cordon.lease",
  workdir: "dev.cordon.workdir",
} as const

const Labels = Schema.Struct({
  [label.id]: SandboxId,
  [label.session]: SessionKey,
  [label.name]: SandboxName,
  [label.runtime]: Runtime,
  [label.network]: NetworkMode,
  [label.limits]: Schema.fromJsonString(Limits),
  [label.lease]: Schema.fromJsonString(LeaseTerms),
  [label.workdir]: Schema.String,
})

const encode = Schema.encodeSync(Labels)
const decode = Schema.decodeUnknownOption(Labels)

export const labelsOf = (
  id: SandboxId,
  session: SessionKey,
  spec: SandboxSpec,
  workdir: string,
): Readonly<Record<string, string>> => ({
  ...encode({
    [label.id]: id,
    [label.session]: session,
    [label.name]: spec.name,
    [label.runtime]: spec.runtime,
    [label.network]: spec.network,
    [label.limits]: spec.limits,
    [label.lease]: spec.lease,
    [label.workdir]: workdir,
  }),
  [label.version]: "1",
})

const statuses: Readonly<Record<string, SandboxStatus>> = {
  created: "created",
  running: "running",
  restarting: "running",
  paused: "paused",
  exited: "stopped",
  removing: "removing",
  dead: "removing",
}

/** A container as a sandbox; none where its labels are not wholly ours, whatever its name. */
export const infoOf = (container: {
  readonly instanceId: string
  readonly status: string
  readonly image: string
  readonly createdAt: Date
  readonly labels: Readonly<Record<string, string>>
}): Option.Option<SandboxInfo> =>
  decode(container.labels).pipe(
    Option.filter(
      (labels) => labels[label.id] === sandboxId(labels[label.session], labels[label.name]),
    ),
    Option.map((labels) => ({
      id: labels[label.id],
      name: labels[label.name],
      session: labels[label.session],
      instanceId: container.instanceId,
      status: statuses[container.status] ?? "stopped",
      image: container.image,
      runtime: labels[label.runtime],
      limits: labels[label.limits],
      network: labels[label.network],
      lease: labels[label.lease],
      workdir: labels[label.workdir],
      createdAt: container.createdAt,
    })),
  )

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
  Tags,
} from "@cordon/core"
import { Option, Schema } from "effect"
import { ownerOf } from "./sandbox/names.ts"

/** The labels by which everything of ours is found again. Environment variables are never in them. */
export const label = {
  id: "dev.cordon.id",
  session: "dev.cordon.session",
  name: "dev.cordon.name",
  /** On everything of ours. */
  version: "dev.cordon.spec",
  /** On what was made ahead: its name alone says whose it is. */
  ahead: "dev.cordon.ahead",
  runtime: "dev.cordon.runtime",
  network: "dev.cordon.network",
  limits: "dev.cordon.limits",
  lease: "dev.cordon.lease",
  workdir: "dev.cordon.workdir",
  /** As whom commands run: a name or a number, either with `:group`; empty for root. */
  user: "dev.cordon.user",
  /** The network and the allow-list of a sandbox whose way out is a proxy. */
  egress: "dev.cordon.egress",
  /** The tags as JSON, also where there are none: an image, a snapshot perhaps, may have labels of its own. */
  tags: "dev.cordon.tags",
} as const

/** Tells the container of one request from any other of its name; later ones have a greater one. */
export const creationLabel = "dev.cordon.creation"

/** The CPUs that a container runs on, where it is held to some. */
export const cpusetLabel = "dev.cordon.cpuset"

/** On snapshots: their names, and the names of the sandboxes that they were taken of. */
export const snapshotLabel = {
  name: "dev.cordon.snapshot",
  of: "dev.cordon.snapshot.of",
  /** `1` on one that goes with what is made from it; always there, since a container has its image's labels. */
  passing: "dev.cordon.snapshot.passing",
} as const

const kind = {
  [label.runtime]: Runtime,
  [label.network]: NetworkMode,
  [label.limits]: Schema.fromJsonString(Limits),
  [label.lease]: Schema.fromJsonString(LeaseTerms),
  [label.workdir]: Schema.String,
  [label.user]: Schema.String,
}
const KindLabels = Schema.Struct(kind)
const Labels = Schema.Struct({
  [label.id]: SandboxId,
  [label.session]: SessionKey,
  [label.name]: SandboxName,
  ...kind,
})

const encode = Schema.encodeSync(Labels)
const encodeKind = Schema.encodeSync(KindLabels)
const decode = Schema.decodeUnknownOption(Labels)
const decodeKind = Schema.decodeUnknownOption(KindLabels)

/** As whom and where commands run. */
interface Identity {
  readonly workdir: string
  readonly user: string
}

const kindOf = (spec: Omit<SandboxSpec, "name">, { workdir, user }: Identity) => ({
  [label.runtime]: spec.runtime,
  [label.network]: spec.network,
  [label.limits]: spec.limits,
  [label.lease]: spec.lease,
  [label.workdir]: workdir,
  [label.user]: user,
})

const tagPrefix = "dev.cordon.tag."

const tagLabels = (tags: Tags = {}): Readonly<Record<string, string>> => ({
  [label.tags]: JSON.stringify(tags),
  // Each by itself as well, for an engine to look for.
  ...Object.fromEntries(Object.entries(tags).map(([name, value]) => [tagPrefix + name, value])),
})

/** The label that an engine is to look for. The other tags, and whose they are, are for our side to look at. */
export const tagFilter = (tags: Tags = {}): string | undefined =>
  Object.entries(tags)
    .slice(0, 1)
    .map(([name, value]) => `${tagPrefix}${name}=${value}`)[0]

const decodeTags = Schema.decodeUnknownOption(Schema.fromJsonString(Tags))
const tagsOf = (labels: Readonly<Record<string, string>>): { readonly tags?: Tags } => {
  const tags = Option.getOrElse(decodeTags(labels[label.tags]), () => ({}))
  return Object.keys(tags).length > 0 ? { tags } : {}
}

/** The labels by which a sandbox is found again, and by which its lease is known. */
export const labelsOf = (
  id: SandboxId,
  session: SessionKey,
  spec: SandboxSpec,
  identity: Identity,
): Readonly<Record<string, string>> => ({
  ...encode({
    [label.id]: id,
    [label.session]: session,
    [label.name]: spec.name,
    ...kindOf(spec, identity),
  }),
  ...tagLabels(spec.tags),
  [label.version]: "1",
})

/** Of a container that is made before anybody asks for it. */
export const labelsAhead = (
  spec: Omit<SandboxSpec, "name">,
  identity: Identity,
): Readonly<Record<string, string>> => ({
  ...encodeKind(kindOf(spec, identity)),
  ...tagLabels(),
  [label.version]: "1",
  [label.ahead]: "1",
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

/** The terms of the lease of a container of ours. */
export const leaseOf = (
  labels: Readonly<Record<string, string>> | null | undefined,
): Option.Option<LeaseTerms> => Option.map(decodeKind(labels), (its) => its[label.lease])

interface Described {
  readonly instanceId: string
  readonly status: string
  readonly image: string
  readonly createdAt: Date
  readonly labels: Readonly<Record<string, string>>
}

const whoseIs = (
  container: Described,
  owner: { readonly id: SandboxId; readonly name: SandboxName; readonly session: SessionKey },
  labels: typeof KindLabels.Type,
): SandboxInfo => ({
  ...owner,
  instanceId: container.instanceId,
  status: statuses[container.status] ?? "stopped",
  image: container.image,
  runtime: labels[label.runtime],
  limits: labels[label.limits],
  network: labels[label.network],
  lease: labels[label.lease],
  workdir: labels[label.workdir],
  createdAt: container.createdAt,
  ...tagsOf(container.labels),
})

/** A container as a sandbox; none where its labels are not wholly ours, whatever its name. */
export const infoOf = (container: Described): Option.Option<SandboxInfo> =>
  decode(container.labels).pipe(
    Option.filter(
      (labels) => labels[label.id] === sandboxId(labels[label.session], labels[label.name]),
    ),
    Option.map((labels) =>
      whoseIs(
        container,
        { id: labels[label.id], name: labels[label.name], session: labels[label.session] },
        labels,
      ),
    ),
  )

/** As `infoOf`, for a container that its own name has to fit, and may alone say whose it is. */
export const sandboxOf = (
  container: Described & { readonly name: string },
): Option.Option<SandboxInfo> =>
  Option.flatMap(ownerOf(container.name), (owner) =>
    container.labels[label.ahead] === undefined
      ? Option.filter(
          infoOf(container),
          ({ session, id }) => session === owner.session && id === owner.id,
        )
      : Option.map(decodeKind(container.labels), (labels) => whoseIs(container, owner, labels)),
  )

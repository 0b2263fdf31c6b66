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
import { ownerOf } from "./names.ts"

/** The labels by which Cordon finds everything that it made. They never hold environment variables. */
export const label = {
  id: "dev.cordon.id",
  session: "dev.cordon.session",
  name: "dev.cordon.name",
  /** On everything of ours. */
  version: "dev.cordon.spec",
  /** On things that were made ahead. Only their name says whose they are. */
  ahead: "dev.cordon.ahead",
  runtime: "dev.cordon.runtime",
  network: "dev.cordon.network",
  limits: "dev.cordon.limits",
  lease: "dev.cordon.lease",
  workdir: "dev.cordon.workdir",
  /** The user of commands: a name or a number, optionally with `:group`; empty for root. */
  user: "dev.cordon.user",
  /** The network and the allow-list of a sandbox that reaches the outside only through a proxy. */
  egress: "dev.cordon.egress",
  /** The tags as JSON. Always set, since the image (a snapshot, for example) may have this label too. */
  tags: "dev.cordon.tags",
} as const

/**
 * Distinguishes containers of the same name that different requests made; a later request has a
 * greater value.
 */
export const creationLabel = "dev.cordon.creation"

/** The CPUs that a container is pinned to, if any. */
export const cpusetLabel = "dev.cordon.cpuset"

/** On snapshots: the snapshot's name, and the name of its source sandbox. */
export const snapshotLabel = {
  name: "dev.cordon.snapshot",
  of: "dev.cordon.snapshot.of",
  /**
   * `1` on a snapshot that is removed together with the sandbox made from it. Always set, since a
   * container inherits its image's labels.
   */
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

/** The user and the working folder of commands. */
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
  // Each tag is also a label of its own, so that an engine can filter by it.
  ...Object.fromEntries(Object.entries(tags).map(([name, value]) => [tagPrefix + name, value])),
})

/** The label that the engine filters by. Cordon itself checks the other tags and the owner. */
export const tagFilter = (tags: Tags = {}): string | undefined =>
  Object.entries(tags)
    .slice(0, 1)
    .map(([name, value]) => `${tagPrefix}${name}=${value}`)[0]

const decodeTags = Schema.decodeUnknownOption(Schema.fromJsonString(Tags))
const tagsOf = (labels: Readonly<Record<string, string>>): { readonly tags?: Tags } => {
  const tags = Option.getOrElse(decodeTags(labels[label.tags]), () => ({}))
  return Object.keys(tags).length > 0 ? { tags } : {}
}

/** The labels that identify a sandbox and hold its lease. */
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

/** The labels of a container that is made ahead. */
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

/** A container as a sandbox; none if its labels are not complete, whatever its name. */
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

/**
 * Like `infoOf`, but the container's name has to fit as well. For a container made ahead only the
 * name says whose it is.
 */
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

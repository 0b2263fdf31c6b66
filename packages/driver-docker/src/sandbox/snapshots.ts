import {
  EngineError,
  type HostError,
  ImageReference,
  makeKeyedLock,
  type SandboxInfo,
  SandboxName,
  SandboxNotFound,
  SessionKey,
  type SnapshotInfo,
  SnapshotInUse,
  SnapshotNameTaken,
  SnapshotNotFound,
  type TakenSnapshot,
} from "@cordon/core"
import { type Duration, Effect, Option, Schema } from "effect"
import type { Target } from "../container/Target.ts"
import type { DockerEngine } from "../DockerEngine.ts"
import { familiar } from "../engine/podman.ts"
import type { ContainerSummary, ImageInspect, ImageSummary } from "../engine/schemas.ts"
import { label, snapshotLabel } from "../Labels.ts"
import { policyOf, withoutProxy } from "../network/egress.ts"
import { abandonedSnapshots } from "./abandoned.ts"

const ofOneEngine = "cordon-snapshot"

const decodeKey = Schema.decodeUnknownOption(SessionKey)
const decodeName = Schema.decodeUnknownOption(SandboxName)

/** The reference names the full owner. Labels alone prove nothing: every pulled image may have them. */
const referenceIn = (repository: string) => (session: SessionKey, name: string) =>
  ImageReference.make(`${repository}:${session}-${name}`)

const infoIn =
  (repository: string) =>
  (image: ImageSummary): Option.Option<SnapshotInfo> =>
    Option.gen(function* () {
      const [tag = ""] = (image.RepoTags ?? [])
        .map(familiar)
        .filter((reference) => reference.startsWith(`${repository}:`))
        .map((reference) => reference.slice(repository.length + 1))
      const session = yield* decodeKey(tag.slice(0, 64))
      const name = yield* decodeName(tag.slice(65))
      const sandbox = yield* decodeName(image.Labels?.[snapshotLabel.of])
      if (image.Labels?.[label.session] !== session) return yield* Option.none()
      return {
        name,
        session,
        sandbox,
        image: referenceIn(repository)(session, name),
        createdAt: new Date(image.Created * 1000),
        size: image.Size,
      }
    })

const isPassing = (labels: Readonly<Record<string, string>> | null | undefined) =>
  labels?.[snapshotLabel.passing] === "1"

/** Whether an image is a snapshot of another session. */
export const isForeign = (image: ImageInspect, session: SessionKey): boolean => {
  const labels = image.Config?.Labels ?? {}
  return labels[snapshotLabel.name] !== undefined && labels[label.session] !== session
}

/** Whether an image is a snapshot of any session. */
export const isSnapshot = (image: ImageInspect): boolean =>
  image.Config?.Labels?.[snapshotLabel.name] !== undefined

/**
 * Snapshots are images that are labelled with their session and found by it.
 *
 * @param repository the part of an image's name that marks a snapshot
 */
export const makeSnapshots = (engine: DockerEngine["Service"], repository = ofOneEngine) => {
  const referenceOf = referenceIn(repository)
  const infoOf = infoIn(repository)
  const exclusively = makeKeyedLock<string>()

  const all = (session?: SessionKey) =>
    engine
      .imageList({
        // Podman finds nothing with two label filters.
        label: [session === undefined ? snapshotLabel.name : `${label.session}=${session}`],
      })
      .pipe(
        Effect.map((images) =>
          images
            .flatMap((image) =>
              Option.toArray(
                Option.map(infoOf(image), (info) => ({ info, passing: isPassing(image.Labels) })),
              ),
            )
            .sort((a, b) => a.info.createdAt.getTime() - b.info.createdAt.getTime()),
        ),
      )

  const list = (session?: SessionKey, withPassing = false) =>
    Effect.map(all(session), (found) =>
      found.filter(({ passing }) => withPassing || !passing).map(({ info }) => info),
    )

  /** The variables of an image; none if the image was removed although in use. */
  const environmentOf = (image: string) =>
    engine.imageInspect(image).pipe(
      Effect.map(({ Config }) => Config?.Env ?? []),
      Effect.catchReason("EngineError", "NotFound", () => Effect.succeed([])),
    )

  const take = (
    target: Target,
    sandbox: { readonly session: SessionKey; readonly name: SandboxName },
    name: SandboxName,
    passing: boolean,
    /** Further instructions of a Dockerfile. */
    changes: ReadonlyArray<string> = [],
  ): Effect.Effect<TakenSnapshot, SnapshotNameTaken | SandboxNotFound | HostError> => {
    const { session } = sandbox
    const image = referenceOf(session, name)
    const found = <A>(call: Effect.Effect<A, HostError>) =>
      Effect.catchReason(call, "EngineError", "NotFound", () =>
        Effect.fail(new SandboxNotFound({ sandbox: target.id })),
      )
    return exclusively(image)(
      Effect.gen(function* () {
        const exists = yield* engine.imageInspect(image).pipe(
          Effect.as(true),
          Effect.catchReason("EngineError", "NotFound", () => Effect.succeed(false)),
        )
        if (exists) return yield* new SnapshotNameTaken({ snapshot: name })
        const labels = {
          [snapshotLabel.name]: name,
          [snapshotLabel.of]: sandbox.name,
          [label.session]: session,
          [snapshotLabel.passing]: passing ? "1" : "0",
        }
        const container = yield* found(engine.containerInspect(target.instanceId))
        const environment = withoutProxy(container, yield* environmentOf(container.Image ?? ""))
        // Uninterruptible: the engine would finish the commit anyway.
        yield* Effect.uninterruptible(
          found(
            engine.containerCommit(target.instanceId, {
              repo: repository,
              tag: image.slice(repository.length + 1),
              // The values consist of letters, digits and hyphens, so they need no quotes. One
              // label per line: Podman reads a whole line as one label.
              changes: [
                ...Object.entries(labels).map(([key, value]) => `LABEL ${key}=${value}`),
                // The container's own user is the init's.
                `USER ${target.user ?? "0"}`,
                ...changes,
              ].join("\n"),
              environment,
            }),
          ),
        )
        const made = (yield* all(session)).find(({ info }) => info.name === name)
        const egress = Option.map(policyOf(container), ({ policy }) => policy)
        if (made !== undefined) {
          return { ...made.info, egress: Option.getOrUndefined(egress) }
        }
        return yield* EngineError.notDone("snapshot a sandbox", "it was removed at once")
      }),
    )
  }

  const remove = (
    session: SessionKey,
    name: SandboxName,
  ): Effect.Effect<void, SnapshotNotFound | SnapshotInUse | HostError> =>
    engine.imageRemove(referenceOf(session, name)).pipe(
      Effect.catchReason("EngineError", "NotFound", () =>
        Effect.fail(new SnapshotNotFound({ snapshot: name })),
      ),
      Effect.catchReason("EngineError", "InUse", () =>
        Effect.fail(new SnapshotInUse({ snapshot: name })),
      ),
    )

  /** Removes a fork's snapshot with the container that was made from it, unless another container uses it. */
  const removeWith = (sandbox: Pick<SandboxInfo, "session">, container: ContainerSummary) =>
    Effect.suspend(() => {
      const name = decodeName(container.Labels[snapshotLabel.name])
      // An image may have any labels. Only its name proves that it is ours.
      return Option.isSome(name) &&
        isPassing(container.Labels) &&
        familiar(container.Image) === referenceOf(sandbox.session, name.value)
        ? Effect.ignore(remove(sandbox.session, name.value))
        : Effect.void
    })

  /** The snapshots that are removed with the sandbox made from them. */
  const passing = Effect.map(
    engine.imageList({ label: [`${snapshotLabel.passing}=1`] }),
    (images) => images.flatMap((image) => Option.toArray(infoOf(image))),
  )

  /** Removes a snapshot, unless it is in use. @returns whether it was removed */
  const removeUnused = ({ session, name }: Pick<SnapshotInfo, "session" | "name">) =>
    remove(session, name).pipe(
      Effect.as(true),
      Effect.catchTag(["SnapshotInUse", "SnapshotNotFound"], () => Effect.succeed(false)),
    )

  /**
   * Removes the snapshots of forks from which no sandbox was made.
   *
   * @param now milliseconds since the epoch
   */
  const sweep = Effect.fnUntraced(function* (now: number, olderThan: Duration.Duration) {
    const containers = yield* engine.containerList({ label: [label.version] })
    const inventory = { now, containers, passingSnapshots: yield* passing }
    const found = abandonedSnapshots(inventory, olderThan)
    const removed = yield* Effect.filter(found, ({ snapshot }) => removeUnused(snapshot))
    return removed.map(({ name }) => name)
  })

  return { list, take, remove, removeWith, passing, removeUnused, sweep }
}
export type Snapshots = ReturnType<typeof makeSnapshots>

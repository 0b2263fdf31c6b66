import {
  EngineError,
  type HostError,
  ImageNotFound,
  makeKeyedLock,
  type Runtime,
  type SandboxDriver,
  type SandboxInfo,
  type SandboxName,
  type SessionKey,
  SnapshotInUse,
  SnapshotNameTaken,
  SnapshotNotFound,
} from "@cordon/core"
import { messages, schemas } from "@cordon/driver-docker/engine"
import {
  isForeign,
  isSnapshot,
  makeSnapshots,
  type RegistryAuth,
  registryAuth,
  runtimesOf,
} from "@cordon/driver-docker/sandbox"
import { type Duration, Effect, Option, Redacted, Result, Stream } from "effect"
import type { Manager } from "../manager/Manager.ts"
import type { Node } from "../manager/schemas.ts"
import type { NodeEngine } from "../NodeEngines.ts"
import type { At, Lookup, Place } from "./lookup.ts"
import type { Nodes } from "./nodes.ts"

type Driver = SandboxDriver["Service"]

/**
 * The repository if none is configured. Nodes ask an image's registry whenever they make a
 * container; at this address none answers.
 */
const ofNodes = "127.0.0.1:1/cordon-snapshot"

/** The nodes on which sandboxes of an image may run, and the image reference for them. */
export interface Source {
  readonly image: string
  /** The ID of the only node that has it. */
  readonly node: string | undefined
  readonly registry: RegistryAuth
  /** Whether the image has our init. */
  readonly hasInit: boolean
}

const anonymous = Redacted.make(Buffer.from("{}").toString("base64"))
const access = { as: "operator", always: false } as const

/** A path as an instruction of a Dockerfile has it. */
const quoted = (path: string) => path.replaceAll("\\", "\\\\").replaceAll("$", "\\$")

/**
 * Snapshots are images on the node of their sandbox, and sandboxes made from them run on that node.
 * If the operator configures a repository, snapshots are pushed there, and every node pulls them by
 * digest.
 */
export const makeSwarmSnapshots = (options: {
  readonly manager: Manager
  readonly at: At
  readonly nodes: Nodes
  readonly lookup: Lookup
  readonly namesOf: (runtime: Runtime) => ReadonlyArray<string>
  /** A repository that all nodes reach. */
  readonly repository: string | undefined
}) => {
  const { manager, at, nodes, lookup, namesOf, repository = ofNodes } = options
  const exclusively = makeKeyedLock<string>()
  const imagesOf = ({ engine }: Pick<NodeEngine, "engine">) => makeSnapshots(engine, repository)

  /** Runs something on each available node and collects the results. */
  const onNodes = <A, E>(
    ask: (node: NodeEngine & { readonly node: Node }) => Effect.Effect<A, E>,
  ) =>
    Effect.gen(function* () {
      const all = yield* nodes.reachable(yield* manager.nodes)
      return yield* Effect.forEach(
        all,
        (node) => Effect.map(Effect.result(ask(node)), (said) => ({ said, node })),
        { concurrency: 8 },
      )
    }).pipe(Effect.scoped)

  const list: Driver["snapshots"] = Effect.fn("SwarmDriver.snapshots")(
    function* (session, passing) {
      const found = yield* onNodes((node) => imagesOf(node).list(session, passing))
      const all = yield* Effect.forEach(found, ({ said }) => Effect.fromResult(said))
      // Nodes that made sandboxes from a pushed snapshot have its image too.
      const byImage = new Map(all.flat().map((snapshot) => [snapshot.image, snapshot]))
      return [...byImage.values()].sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime())
    },
  )

  const push = Effect.fnUntraced(function* ({ http }: NodeEngine, image: string) {
    const operation = "push a snapshot"
    const { header = anonymous } = yield* registryAuth(image, access)
    const tag = image.slice(repository.length + 1)
    const call = {
      operation,
      method: "POST",
      path: `/images/${encodeURIComponent(repository)}/push`,
      query: { tag },
      registryAuth: header,
    } as const
    yield* messages(http.stream(call, "bounded"), operation, schemas.PullMessage).pipe(
      Stream.runForEach(({ error }) =>
        error == null
          ? Effect.void
          : Effect.fail(new EngineError({ operation, reason: { _tag: "Failed" }, detail: error })),
      ),
    )
  })

  /**
   * Runs something while a container is paused, so that nothing inside changes its files meanwhile.
   * Resumes the container afterwards, unless it was paused before.
   */
  const whileFrozen = <A, E>(
    { inPlace }: NodeEngine,
    { instanceId }: Place,
    isFrozen: boolean,
    use: Effect.Effect<A, E>,
  ): Effect.Effect<A, E | HostError> =>
    isFrozen
      ? use
      : Effect.acquireUseRelease(
          inPlace.freeze(instanceId),
          () => use,
          () => Effect.ignore(inPlace.thaw(instanceId)),
        )

  const take: Driver["snapshot"] = Effect.fn("SwarmDriver.snapshot")(function* (
    id,
    name,
    { passing = false } = {},
  ) {
    const { sandbox, place } = yield* lookup.look(id)
    if (place === undefined) {
      const detail = "its task has ended, and its files are gone with it"
      return yield* EngineError.notDone("snapshot a sandbox", detail)
    }
    return yield* exclusively(`${sandbox.session}-${name}`)(
      Effect.gen(function* () {
        const others = yield* list(sandbox.session, true)
        if (others.some((other) => other.name === name)) {
          return yield* new SnapshotNameTaken({ snapshot: name })
        }
        const node = yield* at(place.host)
        const host = yield* node.engine.info
        const offered = runtimesOf(host, {
          runc: namesOf("runc"),
          gvisor: namesOf("gvisor"),
          kata: namesOf("kata"),
          "sysbox-runc": namesOf("sysbox-runc"),
        })
        if (offered.get(sandbox.runtime)?.keepsFiles === false) {
          return yield* EngineError.notDone(
            "snapshot a sandbox",
            "its runtime keeps the files where the engine does not see them",
          )
        }
        const image = yield* node.images(
          (yield* node.engine.containerInspect(place.instanceId)).Image ?? "",
        )
        const isFrozen = sandbox.status !== "running"
        const { connections } = node
        const taken = yield* whileFrozen(
          node,
          place,
          isFrozen,
          Effect.gen(function* () {
            // No call inspects a sandbox made from it before its node starts it.
            yield* connections.requireTables(place.instanceId)
            // The init is its first process from the start, so it must be ours.
            yield* connections.putInit(place.instanceId, image)
            const workdir = `WORKDIR ${quoted(place.cwd ?? "/")}`
            return yield* imagesOf(node).take(place, sandbox, name, passing, [workdir])
          }),
        )
        if (options.repository !== undefined) {
          yield* Effect.onError(push(node, taken.image), () =>
            Effect.ignore(imagesOf(node).remove(sandbox.session, name)),
          )
        }
        return taken
      }),
    )
  }, Effect.scoped)

  /** A node's description of an image, if it has the image. */
  const lookFor = (image: string) =>
    onNodes(({ engine }) =>
      engine.imageInspect(image).pipe(
        Effect.asSome,
        Effect.catchReason("EngineError", "NotFound", () => Effect.succeedNone),
      ),
    )

  /** Removes what nodes have pulled by a digest: it has no other name there. */
  const removePulled = Effect.fnUntraced(function* (session: SessionKey, name: SandboxName) {
    const said = yield* lookFor(`${repository}:${session}-${name}`)
    const found = said.flatMap(({ said }) =>
      Result.isSuccess(said) ? Option.toArray(said.success) : [],
    )
    for (const digest of new Set(found.flatMap(digestsIn))) {
      const all = yield* onNodes(({ engine, node: { ID } }) =>
        said.some(
          ({ said, node }) =>
            node.node.ID === ID && Result.isSuccess(said) && Option.isSome(said.success),
        )
          ? Effect.void
          : engine.imageRemove(digest).pipe(
              Effect.catchReason("EngineError", "NotFound", () => Effect.void),
              Effect.catchReason("EngineError", "InUse", () =>
                Effect.fail(new SnapshotInUse({ snapshot: name })),
              ),
            ),
      )
      yield* Effect.forEach(all, ({ said }) => Effect.fromResult(said), { discard: true })
    }
  })

  const remove: Driver["removeSnapshot"] = Effect.fn("SwarmDriver.removeSnapshot")(
    function* (session, name) {
      if (options.repository !== undefined) yield* removePulled(session, name)
      const said = yield* onNodes((node) => imagesOf(node).remove(session, name))
      const failures = said.flatMap(({ said }) => (Result.isFailure(said) ? [said.failure] : []))
      const used = failures.find((error) => error instanceof SnapshotInUse)
      if (used !== undefined) return yield* used
      const broken = failures.find((error) => !(error instanceof SnapshotNotFound))
      if (broken !== undefined) return yield* Effect.fail(broken)
      if (failures.length === said.length) return yield* new SnapshotNotFound({ snapshot: name })
    },
  )

  /** Removes the snapshot that a sandbox was made from, where that goes with it. It may be in use still. */
  const removeWith = ({ session, image }: Pick<SandboxInfo, "session" | "image">) =>
    Effect.gen(function* () {
      if (!isOne(image)) return
      const kept = yield* list(session)
      const all = yield* list(session, true)
      const its = all.find((snapshot) => snapshot.image === image)
      if (its === undefined || kept.some((snapshot) => snapshot.image === image)) return
      yield* remove(session, its.name)
    }).pipe(Effect.ignore)

  /** Removes the snapshots of forks from which no sandbox was made. */
  const sweep = (now: number, olderThan: Duration.Duration) =>
    Effect.map(
      onNodes((node) => imagesOf(node).sweep(now, olderThan)),
      (found) => found.flatMap(({ said }) => Option.toArray(Result.getSuccess(said)).flat()),
    )

  const digestsIn = ({ RepoDigests }: schemas.ImageInspect) =>
    (RepoDigests ?? []).filter((digest) => digest.startsWith(`${repository}@`))

  const isOne = (image: string) => image.startsWith(`${repository}:`)

  /** Finds the nodes of a snapshot. For a session, other sessions' snapshots do not exist. */
  const find = Effect.fnUntraced(function* (
    image: string,
    session: SessionKey,
  ): Effect.fn.Return<Source, ImageNotFound | HostError> {
    const said = yield* lookFor(image)
    const found = said.flatMap(({ said, node: { node } }) =>
      Result.isSuccess(said) && Option.isSome(said.success)
        ? [{ node: node.ID, its: said.success.value }]
        : [],
    )
    const [first] = found
    if (first === undefined) {
      const broken = said.find(({ said }) => Result.isFailure(said))?.said
      if (broken !== undefined && Result.isFailure(broken))
        return yield* Effect.fail(broken.failure)
      return yield* new ImageNotFound({ image })
    }
    if (!isSnapshot(first.its) || isForeign(first.its, session)) {
      return yield* new ImageNotFound({ image })
    }
    const registry = yield* registryAuth(image, access)
    const [digest] = found.flatMap(({ its }) => digestsIn(its))
    return digest === undefined
      ? { image, node: first.node, registry, hasInit: true }
      : { image: digest, node: undefined, registry, hasInit: true }
  })

  return { list, take, remove, removeWith, sweep, isOne, find }
}
export type Snapshots = ReturnType<typeof makeSwarmSnapshots>

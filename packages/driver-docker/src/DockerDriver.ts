import {
  type CreateError,
  type DriverCapabilities,
  EngineError,
  type FileError,
  type HostError,
  type ImageNotFound,
  type ImagePullFailed,
  ImageUnusable,
  type InvalidInput,
  isolationOf,
  makeKeyedLock,
  type PullProgress,
  type Runtime,
  RuntimeUnavailable,
  requireIncarnation,
  SandboxDriver,
  type SandboxId,
  type SandboxInfo,
  SandboxNameTaken,
  SandboxNotFound,
  SandboxNotRunning,
  type SandboxSpec,
  type SessionKey,
  Unsupported,
} from "@cordon/core"
import { Duration, Effect, Exit, Layer, Option, Schedule, Stream } from "effect"
import { DockerEngine } from "./DockerEngine.ts"
import type { ContainerInspect } from "./engine/schemas.ts"
import { infoOf, label, labelsOf } from "./Labels.ts"
import { defaultRuntimeNames, offeredRuntimes } from "./Runtimes.ts"
import { parsePool } from "./Subnets.ts"
import { containerSpec, identityOf } from "./sandbox/container.ts"
import { makeEventHub } from "./sandbox/events.ts"
import { makeExec, type Target } from "./sandbox/exec.ts"
import { makeFiles } from "./sandbox/files.ts"
import { provideImage } from "./sandbox/image.ts"
import { createNetwork, removeNetwork, removeNetworksOf } from "./sandbox/network.ts"

/** What can be set about a driver over any Docker Engine. */
export interface DockerDriverOptions {
  /** Addresses that sandboxes' networks are cut from: `10.213.0.0/16`, which holds 8,192 networks. */
  readonly subnetPool?: string
  /** What the daemon calls a runtime, where it is not one of the usual names. */
  readonly runtimeNames?: Partial<Record<Runtime, string>>
}

const isEngineError =
  (...statuses: ReadonlyArray<number>) =>
  (error: { readonly _tag: string }): error is EngineError =>
    error instanceof EngineError && statuses.includes(error.status)

// Before this a network without a container may be one that is just being given its container.
const settledAge = Duration.minutes(1)

/**
 * What a Docker sandbox is, over whatever reaches an engine: one container and one network, found
 * again by their labels, used through commands that run inside.
 */
export const layerDriver = (
  options: DockerDriverOptions = {},
): Layer.Layer<SandboxDriver, InvalidInput, DockerEngine> =>
  Layer.effect(
    SandboxDriver,
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const pool = yield* parsePool(options.subnetPool ?? "10.213.0.0/16")
      const hub = yield* makeEventHub(engine)
      const exec = makeExec(engine, hub)
      const files = makeFiles(exec)
      const pulling = makeKeyedLock<string>()

      const names = Object.fromEntries(
        Object.entries(options.runtimeNames ?? {}).map(([runtime, name]) => [runtime, [name]]),
      )
      const info = yield* Effect.cachedWithTTL(engine.info, (exit) =>
        Exit.isSuccess(exit) ? Duration.minutes(1) : 0,
      )
      // An engine that answers with another ID each time (Podman) is known by its name and folder.
      const hostId = yield* Effect.cachedWithTTL(
        Effect.map(
          Effect.all([engine.info, engine.info]),
          ([{ ID, Name, DockerRootDir }, again]) =>
            ID && ID === again.ID ? ID : `${Name ?? ""}:${DockerRootDir ?? ""}`,
        ),
        (exit) => (Exit.isSuccess(exit) ? Duration.infinity : 0),
      )
      const runtimes = Effect.map(info, ({ Runtimes }) =>
        offeredRuntimes(Object.keys(Runtimes ?? {}), { ...defaultRuntimeNames, ...names }),
      )

      const toInfo = (container: ContainerInspect): Option.Option<SandboxInfo> =>
        Option.map(
          infoOf({
            instanceId: container.Id,
            status: container.State.Status,
            image: container.Config.Image,
            createdAt: new Date(container.Created),
            labels: container.Config.Labels ?? {},
          }),
          (sandbox) => ({ ...sandbox, busy: (container.ExecIDs ?? []).length > 0 }),
        )

      /** The container of that name, if by its labels it is the sandbox and not just called so. */
      const inspect = Effect.fnUntraced(function* (id: SandboxId) {
        const missing = new SandboxNotFound({ sandbox: id })
        const container = yield* engine
          .containerInspect(id)
          .pipe(Effect.catchIf(isEngineError(404), () => Effect.fail(missing)))
        const sandbox = toInfo(container)
        if (Option.isNone(sandbox) || sandbox.value.id !== id) return yield* missing
        return sandbox.value
      })

      // What an ID stood for when it was last looked at: a command then costs no look of its own.
      // The container's own ID is used from there on, so an old entry can't reach another one.
      const seen = new Map<SandboxId, Target>()
      const locate = (id: SandboxId) =>
        Effect.suspend(() => {
          const known = seen.get(id)
          if (known !== undefined) return Effect.as(requireIncarnation(known), known)
          return Effect.flatMap(inspect(id), ({ instanceId }) => {
            const target = { id, instanceId }
            seen.set(id, target)
            return Effect.as(requireIncarnation(target), target)
          })
        })
      const forget = (id: SandboxId) => Effect.sync(() => void seen.delete(id))

      /** Runs against the container of an ID, once more if the one that was known is gone. */
      const on = <A, E>(
        id: SandboxId,
        f: (target: Target) => Effect.Effect<A, E>,
      ): Effect.Effect<A, E | SandboxNotFound | HostError> =>
        Effect.suspend(() => {
          const known = seen.get(id)
          const located = Effect.flatMap(locate(id), f)
          return known === undefined
            ? located
            : Effect.catchIf(
                located,
                (error) => error instanceof SandboxNotFound,
                () => Effect.andThen(forget(id), Effect.flatMap(locate(id), f)),
              )
        })

      /** As `on`, for streams: `SandboxNotFound` comes before anything was run. */
      const streamOn = <A, E>(
        id: SandboxId,
        f: (target: Target) => Stream.Stream<A, E>,
      ): Stream.Stream<A, E | SandboxNotFound | HostError> =>
        Stream.unwrap(
          Effect.map(locate(id), (target) => Stream.onError(f(target), () => forget(id))),
        )

      const image = (
        spec: SandboxSpec,
        onProgress: (progress: PullProgress) => Effect.Effect<void>,
      ) =>
        engine.imageInspect(spec.image).pipe(
          Effect.catchIf(isEngineError(404), () =>
            // One at a time: whoever waited finds the image there.
            pulling(spec.image)(provideImage(engine, spec.image, onProgress)),
          ),
        )

      const makeNetwork = Effect.fnUntraced(function* (
        id: SandboxId,
        session: SessionKey,
        spec: SandboxSpec,
      ) {
        const make = createNetwork(engine, pool, id, session, spec)
        return yield* make.pipe(
          Effect.catchIf(isEngineError(409), () =>
            Effect.gen(function* () {
              const taken = new SandboxNameTaken({ sandbox: spec.name })
              const exists = yield* Effect.option(inspect(id))
              if (Option.isSome(exists)) return yield* taken
              // A crash left it, or another process is just making the same sandbox.
              const swept = yield* sweepNetworks(settledAge, id)
              return yield* swept.length > 0 ? make : taken
            }),
          ),
        )
      })

      /** Makes and starts the container; what it made is undone where it fails or is interrupted. */
      const makeContainer = Effect.fnUntraced(function* (
        id: SandboxId,
        session: SessionKey,
        spec: SandboxSpec,
        runtime: string,
        identity: ReturnType<typeof identityOf>,
        network: string | undefined,
      ) {
        const { workdir, root, user } = identity
        const labels = labelsOf(id, session, spec, workdir)
        const specification = containerSpec({ spec, runtime, workdir, labels, network })
        const taken = new SandboxNameTaken({ sandbox: spec.name })
        const start = (instanceId: string) =>
          Effect.gen(function* () {
            if (!(yield* engine.containerHasPath(instanceId, "/bin/sh"))) {
              return yield* new ImageUnusable({ image: spec.image, reason: "it has no /bin/sh" })
            }
            yield* Effect.uninterruptible(engine.containerStart(instanceId))
            if (!root && spec.workdir !== undefined) {
              yield* Effect.ignore(files.ownWorkdir({ id, instanceId }, workdir, user))
            }
            return yield* engine.containerInspect(instanceId)
          })
        return yield* Effect.uninterruptibleMask((restore) =>
          engine.containerCreate(id, specification).pipe(
            Effect.catchIf(isEngineError(409), () => Effect.fail(taken)),
            Effect.flatMap((instanceId) =>
              restore(start(instanceId)).pipe(
                Effect.onError(() => undo(`container ${id}`, engine.containerRemove(instanceId))),
              ),
            ),
          ),
        )
      })

      const undo = (what: string, effect: Effect.Effect<void, HostError>) =>
        effect.pipe(
          Effect.catchIf(isEngineError(404), () => Effect.void),
          Effect.catch((error) =>
            Effect.logWarning(`Could not undo ${what}; a sweep will`, { error: error.message }),
          ),
        )

      const create: SandboxDriver["Service"]["create"] = Effect.fn("DockerDriver.create")(
        function* (
          { id, session, spec },
          onProgress = () => Effect.void,
        ): Effect.fn.Return<SandboxInfo, CreateError | ImageNotFound | ImagePullFailed> {
          yield* Effect.annotateCurrentSpan({ "sandbox.id": id })
          const offered = yield* runtimes
          const runtime = offered.get(spec.runtime)
          if (runtime === undefined) {
            return yield* new RuntimeUnavailable({
              runtime: spec.runtime,
              available: [...offered.keys()],
            })
          }
          const identity = identityOf(spec, yield* image(spec, onProgress))
          const container = yield* Effect.uninterruptibleMask((restore) =>
            Effect.gen(function* () {
              const network =
                spec.network === "none" ? undefined : yield* makeNetwork(id, session, spec)
              return yield* restore(
                makeContainer(id, session, spec, runtime, identity, network),
              ).pipe(
                Effect.onError(() =>
                  network === undefined
                    ? Effect.void
                    : undo(`network ${id}`, removeNetwork(engine, network)),
                ),
              )
            }),
          )
          const sandbox = toInfo(container)
          if (Option.isNone(sandbox)) {
            return yield* Effect.die(new Error("A container that was just made is not ours"))
          }
          seen.set(id, { id, instanceId: container.Id })
          return sandbox.value
        },
      )

      /** Reads the engine's "no such container" as ours, and its "not modified" as done. */
      const settled =
        (id: SandboxId) =>
        (call: Effect.Effect<void, HostError>): Effect.Effect<void, SandboxNotFound | HostError> =>
          call.pipe(
            Effect.catchIf(isEngineError(304), () => Effect.void),
            Effect.catchIf(isEngineError(404), () =>
              Effect.fail(new SandboxNotFound({ sandbox: id })),
            ),
          )

      const start: SandboxDriver["Service"]["start"] = Effect.fn("DockerDriver.start")((id) =>
        on(id, ({ instanceId }) =>
          settled(id)(
            engine.containerStart(instanceId).pipe(
              Effect.catchIf(
                (error) => isEngineError(409)(error) && /paused/i.test(error.detail),
                () => engine.containerUnpause(instanceId),
              ),
            ),
          ),
        ),
      )

      const stop: SandboxDriver["Service"]["stop"] = Effect.fn("DockerDriver.stop")((id) =>
        on(id, ({ instanceId }) => settled(id)(engine.containerStop(instanceId))),
      )

      /** Pauses or resumes; a refusal is none where the container is as it was wanted. */
      const turn = (
        id: SandboxId,
        wanted: "paused" | "running",
        call: (instanceId: string) => Effect.Effect<void, HostError>,
      ) =>
        on(id, ({ instanceId }) =>
          settled(id)(call(instanceId)).pipe(
            Effect.catchIf(isEngineError(409, 500), (refusal) =>
              Effect.gen(function* () {
                const { status } = yield* inspect(id)
                if (status === wanted) return
                if (status === "paused" || status === "running") return yield* refusal
                return yield* new SandboxNotRunning({ sandbox: id, status })
              }),
            ),
          ),
        )

      const remove: SandboxDriver["Service"]["remove"] = Effect.fn("DockerDriver.remove")(
        function* (id, instanceId) {
          yield* forget(id)
          const sandbox = yield* inspect(id).pipe(
            Effect.tapErrorTag("SandboxNotFound", () =>
              instanceId === undefined ? removeNetworksOf(engine, id) : Effect.void,
            ),
          )
          if (instanceId !== undefined && sandbox.instanceId !== instanceId) {
            return yield* new SandboxNotFound({ sandbox: id })
          }
          // Both or none, as far as it is ours to say.
          yield* Effect.uninterruptible(
            settled(id)(engine.containerRemove(sandbox.instanceId)).pipe(
              // Another removal is under way: wait until it is done.
              Effect.catchIf(isEngineError(409), () =>
                inspect(id).pipe(
                  Effect.repeat(Schedule.spaced("50 millis")),
                  Effect.timeoutOption("10 seconds"),
                  Effect.catchTag("SandboxNotFound", () => Effect.void),
                ),
              ),
              Effect.andThen(removeNetworksOf(engine, id)),
            ),
          )
        },
      )

      const list: SandboxDriver["Service"]["list"] = Effect.fn("DockerDriver.list")(
        function* (session) {
          const filter = session === undefined ? label.session : `${label.session}=${session}`
          const containers = yield* engine.containerList({ label: [filter] })
          return containers
            .toReversed() // The engine has the newest first, but tells whole seconds only.
            .flatMap((container) =>
              Option.toArray(
                infoOf({
                  instanceId: container.Id,
                  status: container.State,
                  image: container.Image,
                  createdAt: new Date(container.Created * 1000),
                  labels: container.Labels,
                }),
              ),
            )
            .sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime())
        },
      )

      const sweepNetworks = Effect.fnUntraced(function* (
        olderThan: Duration.Duration,
        only?: SandboxId,
      ) {
        const filter = only === undefined ? label.id : `${label.id}=${only}`
        // Networks first: one that gets its container in between is then seen with it.
        const networks = yield* engine.networkList({ label: [filter] })
        const containers = yield* engine.containerList({ label: [filter] })
        const inUse = new Set(containers.map((container) => container.Labels[label.id]))
        // The engine's own clock: ours may be minutes away from the one that it dates networks by.
        const { SystemTime } = yield* engine.info
        const now = SystemTime ? Date.parse(SystemTime) : Date.now()
        const oldest = now - Duration.toMillis(olderThan)
        const abandoned = networks.filter(
          (network) =>
            !inUse.has(network.Labels?.[label.id]) && Date.parse(network.Created) <= oldest,
        )
        yield* Effect.forEach(
          abandoned,
          (network) =>
            engine.networkRemove(network.Id).pipe(
              // In use after all, or already gone.
              Effect.catchIf(isEngineError(403, 404, 409), () => Effect.void),
            ),
          { discard: true },
        )
        return abandoned.map((network) => network.Name)
      })

      const capabilities = Effect.gen(function* () {
        const [host, version, offered] = yield* Effect.all([info, engine.version, runtimes], {
          concurrency: "unbounded",
        })
        const enforced = {
          memory: host.MemoryLimit === true,
          cpus: host.CpuCfsQuota === true,
          pids: host.PidsLimit === true,
          disk: false,
        }
        const capabilities: DriverCapabilities = {
          driver: "docker",
          hostId: yield* hostId,
          host: `Docker Engine ${version.Version} (API ${version.ApiVersion}, ${version.Os}/${version.Arch}) at ${engine.endpoint}`,
          runtimes: [...offered.keys()].map((runtime) => ({
            runtime,
            isolation: isolationOf(runtime),
          })),
          enforced,
          capacity: { memory: host.MemTotal, cpus: host.NCPU },
          features: ["processes", "pause"],
          caveats: [
            "runc and sysbox-runc share the host's kernel: a hole in it is a way out.",
            "Who may inspect the engine can read the environment variables of every sandbox.",
            ...Object.entries(enforced)
              .filter(([, is]) => !is)
              .map(([limit]) => `This engine does not enforce the limit of ${limit}.`),
          ],
        }
        return capabilities
      })

      const file = <A, E>(
        id: SandboxId,
        f: (target: Target) => Effect.Effect<A, E>,
      ): Effect.Effect<A, E | FileError> => on(id, f)

      return SandboxDriver.of({
        capabilities,
        create,
        start,
        stop,
        pause: Effect.fn("DockerDriver.pause")((id) => turn(id, "paused", engine.containerPause)),
        resume: Effect.fn("DockerDriver.resume")((id) =>
          turn(id, "running", engine.containerUnpause),
        ),
        egressAttempts: () => Effect.fail(new Unsupported({ feature: "egress", driver: "docker" })),
        remove,
        inspect,
        list,
        exec: (id, request) => streamOn(id, (target) => exec(target, request)),
        stat: (id, path) => file(id, (target) => files.stat(target, path)),
        readFile: (id, path, range) =>
          streamOn(id, (target) => files.readFile(target, path, range)),
        writeFile: (id, path, content) =>
          Effect.flatMap(locate(id), (target) => files.writeFile(target, path, content)).pipe(
            Effect.onError(() => forget(id)),
          ),
        getArchive: (id, path) => streamOn(id, (target) => files.getArchive(target, path)),
        putArchive: (id, path, archive) =>
          Effect.flatMap(locate(id), (target) => files.putArchive(target, path, archive)).pipe(
            Effect.onError(() => forget(id)),
          ),
        events: hub.events,
        sweep: Effect.fn("DockerDriver.sweep")((olderThan) => sweepNetworks(olderThan)),
      })
    }),
  )

/**
 * A driver of your own: several hosts as one. The session decides the host of a sandbox.
 * IDs begin with the session's key, so every process finds the host without shared state.
 *
 *     node --conditions=@cordon/source examples/spread-driver.ts
 */
import { createSandboxes, SandboxDriver, type SandboxId } from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { Array as Arrays, Context, Effect, Layer, Stream } from "effect"

type Driver = SandboxDriver["Service"]
type AnyDriver<E> = Layer.Layer<SandboxDriver, E>

/** The number and the order of hosts must not change as long as there are sandboxes. */
export const spread = <E>(layers: readonly [AnyDriver<E>, ...ReadonlyArray<AnyDriver<E>>]) =>
  Layer.effect(
    SandboxDriver,
    Effect.gen(function* () {
      const built = yield* Effect.forEach(layers, (layer) => Layer.build(layer))
      const drivers = Arrays.map(built, (context): Driver => Context.get(context, SandboxDriver))
      const ofSession = (key: string): Driver =>
        drivers[Number.parseInt(key.slice(0, 8), 16) % drivers.length] ?? drivers[0]
      /** Chooses by the session's part of the ID: `cordon-<session>-<name>`. */
      const of = (id: SandboxId): Driver => ofSession(id.split("-")[1] ?? "")
      const onAll = <A, E2>(f: (driver: Driver) => Effect.Effect<ReadonlyArray<A>, E2>) =>
        Effect.map(Effect.forEach(drivers, f, { concurrency: "unbounded" }), Arrays.flatten)

      return SandboxDriver.of({
        // The capabilities that all hosts share, since the host of a sandbox is not known yet.
        capabilities: Effect.map(
          Effect.forEach(drivers, (driver) => driver.capabilities),
          (all) => ({
            ...all[0],
            driver: "spread",
            host: all.map(({ host }) => host).join(", "),
            hostId: all.map(({ hostId }) => hostId).join(","),
            runtimes: all[0].runtimes.filter(({ runtime }) =>
              all.every(({ runtimes }) => runtimes.some((offer) => offer.runtime === runtime)),
            ),
            features: all[0].features.filter((feature) =>
              all.every(({ features }) => features.includes(feature)),
            ),
            caveats: Arrays.dedupe(all.flatMap(({ caveats }) => caveats)),
          }),
        ),
        create: (request, onProgress) => of(request.id).create(request, onProgress),
        start: (id) => of(id).start(id),
        stop: (id) => of(id).stop(id),
        pause: (id) => of(id).pause(id),
        resume: (id) => of(id).resume(id),
        remove: (id, instanceId) => of(id).remove(id, instanceId),
        inspect: (id) => of(id).inspect(id),
        list: (session, tags) =>
          Effect.map(
            onAll((driver) => driver.list(session, tags)),
            (all) => all.toSorted((a, b) => a.createdAt.getTime() - b.createdAt.getTime()),
          ),
        exec: (id, request) => of(id).exec(id, request),
        snapshot: (id, name) => of(id).snapshot(id, name),
        snapshots: (session) => onAll((driver) => driver.snapshots(session)),
        removeSnapshot: (session, name) => ofSession(session).removeSnapshot(session, name),
        terminal: (id, request) => of(id).terminal(id, request),
        startProcess: (id, request) => of(id).startProcess(id, request),
        listProcesses: (id) => of(id).listProcesses(id),
        attachProcess: (id, name, position) => of(id).attachProcess(id, name, position),
        endProcess: (id, name, options) => of(id).endProcess(id, name, options),
        dial: (id, port) => of(id).dial(id, port),
        listen: (id, port) => of(id).listen(id, port),
        stats: (id) => of(id).stats(id),
        identify: (id, user) => of(id).identify(id, user),
        stat: (id, path) => of(id).stat(id, path),
        readFile: (id, path, range) => of(id).readFile(id, path, range),
        writeFile: (id, path, content) => of(id).writeFile(id, path, content),
        getArchive: (id, path) => of(id).getArchive(id, path),
        putArchive: (id, path, archive) => of(id).putArchive(id, path, archive),
        listFolder: (id, path, depth) => of(id).listFolder(id, path, depth),
        makeFolder: (id, path) => of(id).makeFolder(id, path),
        removeFile: (id, path, options) => of(id).removeFile(id, path, options),
        moveFile: (id, from, to) => of(id).moveFile(id, from, to),
        searchFolder: (id, path, search) => of(id).searchFolder(id, path, search),
        watchFolder: (id, path, options) => of(id).watchFolder(id, path, options),
        egressAttempts: (id) => of(id).egressAttempts(id),
        events: Stream.mergeAll(
          drivers.map((driver) => driver.events),
          { concurrency: "unbounded" },
        ),
        sweep: (olderThan) => onAll((driver) => driver.sweep(olderThan)),
      })
    }),
  )

if (import.meta.main) {
  await using sandboxes = createSandboxes({ driver: spread([memory(), memory(), memory()]) })
  for (const user of ["ada", "grace", "barbara"]) {
    const sandbox = await sandboxes.session(user).create({ name: "box" })
    console.log((await sandbox.run(`echo "${user} has a sandbox"`)).stdout.trim())
  }
}

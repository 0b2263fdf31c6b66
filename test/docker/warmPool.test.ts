import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { SandboxDriver, Sandboxes, type SandboxSession } from "@cordon/core"
import * as docker from "@cordon/driver-docker"
import { assert, describe } from "@effect/vitest"
import { Duration, Effect, Layer, Metric } from "effect"
import { socketPath } from "../support/docker.ts"
import { valuesOf } from "../support/metrics.ts"
import { freshSessionId } from "../support/sandbox.ts"
import { containerOf, engine, image, onEngine, textOf } from "./support.ts"

// By this limit what these tests make ahead is told apart from what others do meanwhile.
const pids = 1000 + (process.pid % 9000)

/** What waits on the engine, and the networks that it waits on. */
const waiting = Effect.promise(async () => {
  const all = await engine.listContainers({
    all: true,
    filters: { label: ["dev.cordon.ahead"] },
  })
  const ahead = all.filter(
    ({ Names, Labels }) =>
      Names[0]?.startsWith("/cordon-ahead-") &&
      Labels["dev.cordon.limits"]?.includes(`"pids":${pids}`),
  )
  return {
    containers: ahead.map(({ Id }) => Id),
    running: ahead.filter(({ State }) => State === "running").length,
    networks: ahead.map(({ HostConfig }) => HostConfig.NetworkMode ?? ""),
  }
})

const networkNames = Effect.promise(async () =>
  (await engine.listNetworks({ filters: { label: ["dev.cordon.spec"] } })).map(({ Name }) => Name),
)
/** Those of them on which there is no container. */
const unused = Effect.gen(function* () {
  const names = yield* networkNames
  const all = yield* Effect.promise(() => engine.listContainers({ all: true }))
  const used = new Set(all.map(({ HostConfig }) => HostConfig.NetworkMode))
  return names.filter((name) => !used.has(name))
})

const until = (ready: (now: Effect.Success<typeof waiting>) => boolean) =>
  waiting.pipe(Effect.delay("50 millis"), Effect.repeat({ until: ready }))

/** Runs a program with a session of a process of its own, as far as the engine can tell. */
const withPool = <A, E>(
  warmPool: docker.WarmPoolOptions | number,
  f: (session: SandboxSession, sessionId: string) => Effect.Effect<A, E, SandboxDriver>,
  sessionId = freshSessionId(),
) =>
  Effect.gen(function* () {
    const sandboxes = yield* Sandboxes
    return yield* f(yield* sandboxes.session(sessionId), sessionId)
  }).pipe(
    Effect.provide(
      Sandboxes.layer({ image, limits: { pids }, maxSandboxes: 50 }).pipe(
        Layer.provideMerge(docker.layer({ warmPool })),
      ),
      // A program of its own, also within another one.
      { local: true },
    ),
    Effect.scoped,
  )

const withoutPool = <A, E>(
  sessionId: string,
  f: (session: SandboxSession) => Effect.Effect<A, E, SandboxDriver>,
) => withPool(0, f, sessionId)

/** The engine, with the names of the calls that look at, make or rename a container. */
const watched = Effect.map(docker.DockerEngine, (engine) => {
  const calls: Array<string> = []
  const noting =
    <Args extends ReadonlyArray<unknown>, A>(name: string, call: (...args: Args) => A) =>
    (...args: Args): A => {
      calls.push(name)
      return call(...args)
    }
  const { containerCreate, containerInspect, containerRename } = engine
  const service = docker.DockerEngine.of({
    ...engine,
    containerCreate: noting("create", containerCreate),
    containerInspect: noting("inspect", containerInspect),
    containerRename: noting("rename", containerRename),
  })
  return { calls, service }
})

describe("a warm pool on a real engine", () => {
  onEngine("hands a sandbox out with a single rename, and refills after its first command", () =>
    Effect.gen(function* () {
      const { calls, service } = yield* watched
      yield* Effect.gen(function* () {
        const session = yield* (yield* Sandboxes).session(freshSessionId())
        yield* session.create({ name: "cold" })
        yield* until(({ running }) => running === 1)
        // The pool has done with it once it counts it.
        yield* valuesOf("cordon.pool.ready").pipe(
          Effect.delay("50 millis"),
          Effect.repeat({ until: ({ container }) => container === 1 }),
        )
        calls.length = 0
        const warm = yield* session.create({ name: "warm" })
        yield* warm.run(["true"])
        assert.deepStrictEqual(calls, ["rename"])
        yield* until(({ running }) => running === 1)
        assert.include(calls, "create")
      }).pipe(
        Effect.provide(
          Sandboxes.layer({ image, limits: { pids }, maxSandboxes: 50 }).pipe(
            Layer.provideMerge(docker.layerDriver({ warmPool: { size: 1, networks: 0 } })),
            Layer.provide(Layer.succeed(docker.DockerEngine, service)),
          ),
          { local: true },
        ),
        Effect.scoped,
      )
    }).pipe(Effect.provide(docker.localEngine(socketPath))),
  )

  onEngine("hands a ready sandbox to one session, and every process agrees whose it is", () =>
    Effect.gen(function* () {
      const last = yield* withPool({ size: 2, networks: 0 }, (session, sessionId) =>
        Effect.gen(function* () {
          yield* session.create({ name: "cold" })
          const ready = yield* until(({ running }) => running === 2)
          yield* valuesOf("cordon.pool.ready").pipe(
            Effect.delay("50 millis"),
            Effect.repeat({ until: ({ container }) => container === 2 }),
          )
          const warm = yield* session.create({ name: "warm" })
          assert.deepStrictEqual(yield* valuesOf("cordon.pool.claims"), { miss: 1, hit: 1 })
          assert.include(ready.containers, warm.info.instanceId)
          assert.strictEqual(yield* textOf(warm, "echo $PWD; hostname"), "/workspace\nsandbox")
          const { Config } = yield* containerOf(warm)
          assert.notInclude(JSON.stringify(Config.Labels), warm.info.session.slice(0, 16))
          // Another process, without a pool.
          yield* withoutPool(sessionId, (same) =>
            Effect.gen(function* () {
              assert.deepStrictEqual(
                (yield* same.list).map(({ id }) => id).sort(),
                (yield* session.list).map(({ id }) => id).sort(),
              )
              const found = yield* same.get("warm")
              const { busy: _, unusedElsewhereFor: __, ...info } = found.info
              assert.deepStrictEqual(info, warm.info)
              yield* warm.files.write("note", "written here")
              assert.strictEqual(yield* found.files.readText("note"), "written here")
              const again = yield* Effect.flip(same.create({ name: "warm" }))
              assert.strictEqual(again._tag, "SandboxNameTaken")
            }),
          )
          yield* withoutPool(freshSessionId(), (other) =>
            Effect.gen(function* () {
              assert.strictEqual((yield* Effect.flip(other.get(warm.id)))._tag, "SandboxNotFound")
              assert.deepStrictEqual(yield* other.list, [])
            }),
          )
          // What was used is never given away again.
          yield* warm.remove
          yield* until(({ running }) => running === 2)
          const next = yield* session.create({ name: "warm" })
          assert.notStrictEqual(next.info.instanceId, warm.info.instanceId)
          const missing = yield* Effect.flip(next.files.readText("note"))
          assert.strictEqual(missing._tag, "FileNotFound")
          return yield* until(({ running }) => running === 2)
        }),
      )
      // The pool's end leaves nothing.
      assert.deepStrictEqual(yield* waiting, { containers: [], running: 0, networks: [] })
      const names = yield* networkNames
      assert.isNotEmpty(last.networks)
      for (const network of last.networks) assert.notInclude(names, network)
      assert.deepInclude(yield* valuesOf("cordon.pool.ready"), { container: 0 })
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())),
  )

  onEngine("compares the whole session key of an owner, not only the part in the sandbox ID", () =>
    withPool({ size: 1, networks: 0 }, (session) =>
      Effect.gen(function* () {
        const cold = yield* session.create({ name: "cold" })
        const { containers } = yield* until(({ running }) => running === 1)
        // What only another session with the same beginning of its key could be called.
        const name = `${cold.id.replace(/cold$/, "forged")}.${"A".repeat(32)}`
        const [forged = ""] = containers
        yield* Effect.promise(() => engine.getContainer(forged).rename({ name }))
        assert.strictEqual((yield* Effect.flip(session.get("forged")))._tag, "SandboxNotFound")
        assert.deepStrictEqual(
          (yield* session.list).map(({ name }) => String(name)),
          ["cold"],
        )
        const mine = yield* session.create({ name: "forged" })
        assert.notStrictEqual(mine.info.instanceId, forged)
        yield* Effect.promise(async () => {
          const { HostConfig } = await engine.getContainer(forged).inspect()
          await engine.getContainer(forged).remove({ force: true })
          await engine.getNetwork(HostConfig.NetworkMode ?? "").remove()
        })
      }),
    ),
  )

  onEngine("skips ready sandboxes that have died or do not match the request", () =>
    withPool({ size: 1, networks: 0 }, (session) =>
      Effect.gen(function* () {
        yield* session.create()
        const first = yield* until(({ running }) => running === 1)
        const own = yield* session.create({ env: { NAME: "value" } })
        assert.notInclude(first.containers, own.info.instanceId)
        assert.strictEqual(yield* textOf(own, "echo $NAME"), "value")
        const small = yield* session.create({ limits: { memory: "64MiB", pids } })
        assert.notInclude(first.containers, small.info.instanceId)
        const elsewhere = yield* session.create({ workdir: "/elsewhere" })
        assert.strictEqual(yield* textOf(elsewhere, "pwd"), "/elsewhere")
        // A kind for each of the three that can be made ahead.
        const kinds = yield* until(({ running }) => running === 3)
        const again = yield* session.create({ workdir: "/elsewhere" })
        assert.include(kinds.containers, again.info.instanceId)
        assert.strictEqual(yield* textOf(again, "pwd"), "/elsewhere")
        const { containers } = yield* until(({ running }) => running === 3)
        yield* Effect.promise(() =>
          Promise.all(containers.map((id) => engine.getContainer(id).kill())),
        )
        const alive = yield* session.create()
        assert.notInclude(containers, alive.info.instanceId)
        assert.strictEqual(yield* textOf(alive, "echo alive"), "alive")
      }),
    ),
  )

  onEngine("hands no sandbox out twice to two processes at once", () =>
    Effect.gen(function* () {
      const share = withPool({ size: 3, networks: 1 }, (session) =>
        Effect.gen(function* () {
          yield* session.create({ network: "none" })
          yield* Effect.sleep("3 seconds")
          const boxes = yield* Effect.forEach(
            Array.from({ length: 6 }),
            () => session.create({ network: "none" }),
            { concurrency: "unbounded" },
          )
          const marks = yield* Effect.forEach(boxes, (box) =>
            textOf(box, `cat /mark 2>/dev/null; echo ${box.name} | tee /mark`),
          )
          assert.deepStrictEqual(
            marks,
            boxes.map(({ name }) => String(name)),
          )
          return boxes.map(({ info }) => info.instanceId)
        }),
      )
      const handed = (yield* Effect.all([share, share], { concurrency: 2 })).flat()
      assert.strictEqual(new Set(handed).size, 12)
    }),
  )

  for (const step of ["before the rename", "while it is under way", "after the rename"]) {
    onEngine(`loses and leaks no sandbox when its process is killed ${step}`, () =>
      Effect.gen(function* () {
        const sessionId = freshSessionId()
        const child = spawn(
          process.execPath,
          [
            "--conditions=@cordon/source",
            join(import.meta.dirname, "warmPoolProcess.ts"),
            sessionId,
            image,
            socketPath,
            step,
            String(pids),
          ],
          { stdio: ["ignore", "ignore", "inherit"] },
        )
        const [, signal] = yield* Effect.promise(() => once(child, "exit"))
        assert.strictEqual(signal, "SIGKILL")
        const left = yield* waiting
        const spare = yield* unused
        yield* withoutPool(sessionId, (session) =>
          Effect.gen(function* () {
            const names = (yield* session.list).map(({ name }) => String(name))
            // It is the session's wholly, or nobody's.
            if (step === "before the rename") assert.deepStrictEqual(names, ["cold"])
            else if (step !== "while it is under way")
              assert.deepStrictEqual(names, ["cold", "warm"].sort())
            assert.strictEqual(left.containers.length + names.length, 3)
            for (const name of names) {
              const box = yield* session.get(name)
              assert.strictEqual(yield* textOf(box, "echo alive"), "alive")
            }
            // Nobody's is found by the next sweep (older than what other tests are just making),
            // and what is somebody's is left alone.
            yield* Effect.sleep("6 seconds")
            const driver = yield* SandboxDriver
            yield* driver.sweep(Duration.seconds(5))
            assert.deepStrictEqual(yield* waiting, { containers: [], running: 0, networks: [] })
            const networks = yield* networkNames
            for (const network of [...left.networks, ...spare]) assert.notInclude(networks, network)
            assert.strictEqual((yield* session.list).length, names.length)
            for (const name of names) yield* (yield* session.get(name)).remove
            assert.deepStrictEqual(yield* session.list, [])
          }),
        )
      }),
    )
  }
})

// A process with a warm pool that ends itself, as kill -9 would, at a given step of a claim.
import {
  defaultLimits,
  SandboxDriver,
  SandboxName,
  SessionId,
  sandboxId,
  sessionKey,
} from "@cordon/core"
import { DockerEngine, layerDriver, localEngine } from "@cordon/driver-docker"
import { Effect, Layer } from "effect"

const [sessionId = "", image = "", socketPath = "", step = "", pids = ""] = process.argv.slice(2)
const session = sessionKey(SessionId.make(sessionId))
const die = Effect.sync(() => process.kill(process.pid, "SIGKILL"))

const deadly = Layer.effect(
  DockerEngine,
  Effect.map(DockerEngine, (engine) => {
    const claim: typeof engine.containerRename = (name, newName) => {
      const rename = engine.containerRename(name, newName)
      switch (step) {
        case "before the rename":
          return Effect.andThen(die, rename)
        case "while it is under way":
          return Effect.raceFirst(
            rename,
            Effect.andThen(Effect.sleep("1 millis"), Effect.as(die, undefined)),
          )
        case "after the rename":
          return Effect.tap(rename, die)
        default:
          return rename
      }
    }
    return DockerEngine.of({
      ...engine,
      containerRename: claim,
    })
  }),
).pipe(Layer.provide(localEngine(socketPath)))

const create = Effect.fnUntraced(function* (name: string) {
  const driver = yield* SandboxDriver
  const spec = {
    name: SandboxName.make(name),
    image,
    runtime: "runc",
    limits: { ...defaultLimits, pids: Number(pids) },
    network: "bridge",
    lease: { idleTimeout: 600_000, removeTimeout: 1_200_000 },
    env: {},
  } as const
  return yield* driver.create({ id: sandboxId(session, spec.name), session, spec })
})

await Effect.runPromise(
  Effect.gen(function* () {
    yield* create("cold")
    const engine = yield* DockerEngine
    // Two containers wait: the next one is claimed.
    const limits = `"pids":${pids}`
    yield* engine.containerList({ label: ["dev.cordon.ahead"], status: ["running"] }).pipe(
      Effect.delay("50 millis"),
      Effect.repeat({
        until: (all) =>
          all.filter(({ Labels }) => Labels["dev.cordon.limits"]?.includes(limits)).length === 2,
      }),
    )
    // And a network, for who does not fit.
    yield* Effect.sleep("2 seconds")
    yield* create("warm")
  }).pipe(
    Effect.provide(
      layerDriver({ warmPool: { size: 2, networks: 1 } }).pipe(
        Layer.provide(deadly),
        Layer.provideMerge(localEngine(socketPath)),
      ),
    ),
  ),
)

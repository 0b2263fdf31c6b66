// A worker process that does what its parent tells it, and dies where it is told to.
import {
  LeaseStore,
  SandboxDriver,
  Sandboxes,
  type SandboxSession,
  type SettingsInput,
} from "@cordon/core"
import { DockerEngine, layerDriver, localEngine } from "@cordon/driver-docker"
import { postgres } from "@cordon/lease-store-postgres"
import { Cause, Clock, Context, Effect, Exit, Layer, Logger, ManagedRuntime } from "effect"
import type { Answer, Command, WorkerOptions } from "./protocol.ts"

const options: WorkerOptions = JSON.parse(process.argv[2] ?? "{}")

/** Steps taken since the last command: calls of the engine and of the store. */
let steps = 0
let dieAt = 0

const step = Effect.sync(() => {
  steps += 1
  // As the kernel's own killer would: nothing of ours runs any more.
  if (steps === dieAt) process.kill(process.pid, "SIGKILL")
})

/** Counts what an effect of a service does before it is done. */
const counted = <A extends unknown[], B, E, R>(call: (...args: A) => Effect.Effect<B, E, R>) => {
  return (...args: A) => Effect.andThen(step, call(...args))
}

const engine = Layer.effect(
  DockerEngine,
  Effect.map(DockerEngine, (engine) => ({
    ...engine,
    imageInspect: counted(engine.imageInspect),
    networkCreate: counted(engine.networkCreate),
    networkRemove: counted(engine.networkRemove),
    containerCreate: counted(engine.containerCreate),
    containerPathStat: counted(engine.containerPathStat),
    containerStart: counted(engine.containerStart),
    containerStop: counted(engine.containerStop),
    containerRemove: counted(engine.containerRemove),
    containerInspect: counted(engine.containerInspect),
    execCreate: counted(engine.execCreate),
    execStart: counted(engine.execStart),
  })),
).pipe(Layer.provide(localEngine(options.socketPath)))

const store = Layer.effect(
  LeaseStore,
  Effect.map(LeaseStore, (store) => ({
    ...store,
    insert: counted(store.insert),
    renew: counted(store.renew),
    change: counted(store.change),
    delete: counted(store.delete),
    ...(options.reaps === false
      ? { claimDue: () => Effect.succeed([]), takeTurn: () => Effect.succeed(false) }
      : {}),
  })),
).pipe(Layer.provide(postgres({ url: options.database })))

/** A clock that is wrong by so much. */
const skewed = Layer.effect(
  Clock.Clock,
  Effect.map(Clock.Clock, (clock) => {
    const ms = options.clockSkew ?? 0
    return {
      currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + ms,
      currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + ms),
      currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
      currentTimeNanos: clock.currentTimeNanos,
      monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
      monotonicTimeNanos: clock.monotonicTimeNanos,
      sleep: (duration: Parameters<typeof clock.sleep>[0]) => clock.sleep(duration),
    }
  }),
)

const settings: SettingsInput = {
  image: options.image,
  idleTimeout: options.idleTimeout,
  removeTimeout: options.removeTimeout,
  network: options.network ?? "internal",
  limits: { memory: "64MiB", pids: 64 },
  removeOnClose: false,
  maxSandboxes: 1000,
}

const runtime = ManagedRuntime.make(
  Sandboxes.layerStore(settings).pipe(
    Layer.provideMerge(layerDriver({ subnetPool: options.subnetPool ?? "10.214.0.0/16" })),
    Layer.provide(engine),
    Layer.provide(store),
    Layer.provide(skewed),
    Layer.provide(Layer.succeed(Logger.LogToStderr, true)),
  ),
)

const perform = Effect.fnUntraced(function* (session: SandboxSession, command: Command) {
  switch (command.op) {
    case "create": {
      const { info } = yield* session.create({ name: command.name })
      return info.instanceId
    }
    case "exec": {
      const { stdout } = yield* (yield* session.get(command.name)).run(command.script, {
        timeout: "10 minutes",
      })
      return stdout
    }
    case "stop":
      return yield* (yield* session.get(command.name)).stop
    case "start":
      return yield* (yield* session.get(command.name)).start
    case "remove":
      return yield* (yield* session.get(command.name)).remove
    case "list":
      return (yield* session.list).map(({ name, status }) => `${name} ${status}`).join()
    case "memory":
      global.gc?.()
      return JSON.stringify(process.memoryUsage())
  }
})

process.on("message", (command: Command) => {
  if (command.op === "exit") {
    void runtime.dispose().then(() => process.exit(0))
    return
  }
  const program = Effect.gen(function* () {
    const sandboxes = yield* Sandboxes
    const session = yield* sandboxes.session(command.session ?? options.sessionId)
    steps = 0
    dieAt = command.dieAt ?? 0
    return yield* perform(session, command)
  })
  void runtime.runPromiseExit(program).then((exit) => {
    const answer: Answer = Exit.isSuccess(exit)
      ? { id: command.id, steps, ok: String(exit.value ?? "") }
      : { id: command.id, steps, ...failureOf(Cause.squash(exit.cause)) }
    process.send?.(answer)
  })
})

const failureOf = (error: unknown) => ({
  error:
    typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : "defect",
  message: error instanceof Error ? error.message : String(error),
})

// Everything is built before the first command, so that its steps are its own.
await runtime.runPromise(
  Effect.gen(function* () {
    Context.get(yield* Effect.context<SandboxDriver>(), SandboxDriver)
    yield* (yield* Sandboxes).capabilities
  }),
)
process.send?.({ id: 0, steps: 0, ok: "ready" } satisfies Answer)

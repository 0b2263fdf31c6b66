import { randomBytes } from "node:crypto"
import {
  type HostError,
  InvalidInput,
  SandboxId,
  SandboxNameTaken,
  type SandboxSpec,
  whileItMoves,
} from "@cordon/core"
import { Clock, Config, Duration, Effect, Latch, Option, Schema } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import { isEngineError } from "../engine/failures.ts"
import { networkOf } from "../engine/podman.ts"
import type { ContainerInspect, ImageInspect } from "../engine/schemas.ts"
import { labelsAhead } from "../Labels.ts"
import { identityOf } from "./container.ts"
import { type Create, undo } from "./creation.ts"
import { isNetworkName, removeNetwork } from "./network.ts"
import type { NetworksAhead } from "./networksAhead.ts"
import { countClaim, makeReadyCount } from "./poolMetrics.ts"

type Engine = DockerEngine["Service"]

const count = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 100 })))

/** What is made before it is asked for. Each part costs the host's memory while it waits. */
export interface WarmPoolOptions {
  /** Started containers that are held ready for each kind of sandbox that was asked for: 2. */
  readonly size?: number
  /** How many kinds are held ready, those asked for last: 4. */
  readonly kinds?: number
  /** Networks that are held ready for sandboxes that no ready container fits: 2. */
  readonly networks?: number
}

const WarmPoolSettings = Schema.Struct({
  size: Schema.optionalKey(count),
  kinds: Schema.optionalKey(count),
  networks: Schema.optionalKey(count),
})
const isWarmPoolSettings = Schema.decodeUnknownEffect(WarmPoolSettings)

/** What was asked for in a program or its environment; undefined where that is no pool. */
export const warmPoolOptions = Effect.fnUntraced(
  function* (option: number | WarmPoolOptions | undefined) {
    const setting = Config.option(Config.Int("CONTAINER_SANDBOX_WARM_POOL"))
    const asked = option ?? Option.getOrElse(yield* setting, () => 0)
    const options =
      typeof asked === "number" ? { size: asked, ...(asked === 0 ? { networks: 0 } : {}) } : asked
    const checked = yield* isWarmPoolSettings(options)
    return checked.size === 0 && checked.networks === 0 ? undefined : checked
  },
  Effect.mapError(
    (error: { readonly message: string }) =>
      new InvalidInput({ subject: "warm pool", issue: error.message }),
  ),
)

/** All that a sandbox is, but for whose it is. */
export interface Kind {
  readonly spec: Omit<SandboxSpec, "name">
  /** What the daemon calls the runtime. */
  readonly runtime: string
  readonly image: ImageInspect
  /** Bytes; see `Creation`. */
  readonly disk?: number
}

interface Ready {
  readonly name: string
  /** As it was made. */
  readonly container: ContainerInspect
  /** Milliseconds since the epoch: when its name last said that somebody holds it. */
  readonly renewedAt: number
}

// The name of a container that waits tells since when. Who holds it renews that now and then, so
// that every process can tell by the list of containers alone what a dead one left.
const renewal = Duration.minutes(4)
// Who slept longer must take it that others have swept what he held.
const stale = Duration.toMillis("10 minutes")

// The pool is refilled once nobody has asked for this long. Refilling at once would keep the engine busy
// while the sandboxes that were just given away run their first commands.
const quiet = Duration.millis(200)
// Milliseconds after which the pool is refilled even while others go on asking.
const longest = 2000

const nameAhead = (now: number) =>
  `cordon-ahead-${now.toString(36)}-${randomBytes(8).toString("hex")}`

/** Since when a container waits, by its name; none for every other. Milliseconds since the epoch. */
export const aheadSince = (name: string): Option.Option<number> => {
  const [, time] = /^\/?cordon-ahead-([0-9a-z]{1,10})-[0-9a-f]{16}$/.exec(name) ?? []
  return Option.map(Option.fromUndefinedOr(time), (time) => Number.parseInt(time, 36))
}

/**
 * A container's environment and labels can't be changed any more: the environment must be the image's and name
 * no proxy, and there must be no tags, which are labels.
 */
const fits = ({ spec }: Kind) =>
  Object.keys(spec.env).length === 0 && spec.egress === undefined && spec.tags === undefined

const keyOf = ({ spec, runtime, image }: Kind) => {
  const { limits, network, lease, workdir, user } = spec
  return JSON.stringify([image.Id, spec.image, runtime, limits, network, lease, workdir, user])
}

// For messages: a container that waits is nobody's.
const nobody = SandboxId.make("cordon-0000000000000000-ahead")

/** Removes a container that waits, with its network; nothing where it is somebody's by now. */
export const removeAhead = Effect.fnUntraced(function* (
  engine: Engine,
  name: string,
  network: string | null | undefined,
) {
  // By its name, which it loses when it becomes somebody's.
  yield* undo(`container ${name}`, engine.containerRemove(name))
  const gone = yield* Effect.result(engine.containerInspect(name))
  if (gone._tag === "Failure" && isNetworkName(network)) {
    yield* undo(`network ${network}`, removeNetwork(engine, network))
  }
})

/**
 * Holds started containers for the kinds of sandbox that were asked for, until its scope ends.
 *
 * A container becomes a session's by one rename, which the engine does wholly or not at all: before
 * it the container is nobody's, after it every process reads the same owner from the name. A
 * process hands out only what it made itself, so none is handed out twice.
 */
export const makeWarmPool = Effect.fnUntraced(function* (
  engine: Engine,
  create: Create,
  networks: NetworksAhead,
  isConnected: (instanceId: string) => boolean,
  { size = 2, kinds: mostKinds = 4 }: WarmPoolOptions,
) {
  const kinds = new Map<string, { readonly kind: Kind; readonly ready: Array<Ready> }>()
  let asked = 0
  const wake = yield* Latch.make(true)
  const countReady = Effect.andThen(
    makeReadyCount("container", () =>
      [...kinds.values()].reduce((sum, { ready }) => sum + ready.length, 0),
    ),
    makeReadyCount("network", networks.ready),
  )

  const destroy = ({ name, container }: Ready) => removeAhead(engine, name, networkOf(container))

  const renew = Effect.fnUntraced(function* (held: Array<Ready>) {
    const now = yield* Clock.currentTimeMillis
    // Taken out meanwhile: nobody may claim it by a name that it is just losing.
    const due = held.filter(({ renewedAt }) => now - renewedAt >= Duration.toMillis(renewal))
    for (const ready of due) {
      const at = held.indexOf(ready)
      if (at === -1) continue
      held.splice(at, 1)
      const name = nameAhead(now)
      yield* Effect.uninterruptible(
        engine.containerRename(ready.name, name).pipe(
          Effect.tap(() => Effect.sync(() => held.push({ ...ready, name, renewedAt: now }))),
          // Swept, or the engine is away: it is found by its old name, and another one is made.
          Effect.catch((error: HostError) =>
            Effect.logDebug("Lost a container that was made ahead", { error: error.message }),
          ),
        ),
      )
    }
  })

  const make = (held: { readonly kind: Kind; readonly ready: Array<Ready> }) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const renewedAt = yield* Clock.currentTimeMillis
        const name = nameAhead(renewedAt)
        const { spec, image } = held.kind
        const labels = labelsAhead(spec, identityOf(spec, image))
        const container = yield* restore(
          create({ ...held.kind, name, id: nobody, labels, networkLabels: {} }),
        )
        held.ready.push({ name, container, renewedAt })
      }),
    )

  /** Brings everything to what is to be held; one thing at a time, since others wait for theirs. */
  const replenish = Effect.gen(function* () {
    for (const { ready } of kinds.values()) yield* renew(ready)
    for (const [key, held] of [...kinds].toReversed()) {
      while (held.ready.length < size && kinds.get(key) === held) {
        const made = yield* Effect.result(make(held))
        if (made._tag === "Success") continue
        // Until it is asked for again: then who asks learns why.
        kinds.delete(key)
        yield* Effect.logWarning("Could not make a sandbox ahead", {
          error: made.failure.message,
        })
      }
      // Given up meanwhile.
      if (kinds.get(key) !== held) {
        yield* Effect.forEach(held.ready.splice(0), destroy, { discard: true })
      }
    }
    yield* networks.replenish.pipe(
      Effect.catch((error) =>
        Effect.logWarning("Could not make a network ahead", { error: error.message }),
      ),
    )
  })

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      const all = [...kinds.values()].flatMap(({ ready }) => ready.splice(0))
      kinds.clear()
      return whileItMoves((moved) =>
        Effect.andThen(
          Effect.forEach(all, (ready) => Effect.andThen(destroy(ready), moved), {
            concurrency: 4,
            discard: true,
          }),
          networks.drain(moved),
        ),
      )
    }).pipe(Effect.ensuring(countReady)),
  )
  const untilQuiet = Effect.gen(function* () {
    const begun = yield* Clock.currentTimeMillis
    for (;;) {
      const before = asked
      yield* Effect.sleep(quiet)
      if (asked === before || (yield* Clock.currentTimeMillis) - begun >= longest) return
    }
  })
  yield* wake.await.pipe(
    Effect.andThen(untilQuiet),
    Effect.timeoutOption(renewal),
    Effect.andThen(wake.close),
    Effect.andThen(replenish),
    Effect.andThen(countReady),
    Effect.forever,
    Effect.forkScoped,
  )

  /** From now on some of this kind are held ready; the one asked for longest ago gives way. */
  const want = Effect.fnUntraced(function* (kind: Kind) {
    if (kind.spec.egress === undefined) networks.want(kind.spec.network)
    if (fits(kind) && size > 0) {
      const key = keyOf(kind)
      const held = kinds.get(key) ?? { kind, ready: [] }
      kinds.delete(key)
      kinds.set(key, held)
      const [oldest] = kinds
      if (kinds.size > mostKinds && oldest !== undefined) {
        kinds.delete(oldest[0])
        yield* Effect.forEach(oldest[1].ready.splice(0), destroy, { discard: true })
      }
    }
    asked++
    yield* wake.open
  })

  const find = Effect.fnUntraced(function* (
    kind: Kind,
    id: SandboxId,
    containerName: string,
    name: string,
  ): Effect.fn.Return<Option.Option<ContainerInspect>, HostError | SandboxNameTaken> {
    const ready = fits(kind) ? kinds.get(keyOf(kind))?.ready : undefined
    for (;;) {
      const next = ready?.shift()
      if (ready === undefined || next === undefined) return Option.none()
      if ((yield* Clock.currentTimeMillis) - next.renewedAt > stale) {
        yield* destroy(next)
        continue
      }
      const renamed = yield* engine.containerRename(next.name, containerName).pipe(
        Effect.as(true),
        Effect.catchIf(isEngineError(404), () => Effect.succeed(false)),
        // It keeps its name, and waits on.
        Effect.tapError(() => Effect.sync(() => ready.unshift(next))),
        Effect.catchIf(isEngineError(409), () =>
          Effect.fail(new SandboxNameTaken({ sandbox: name })),
        ),
      )
      if (!renamed) continue
      // The connection shows that it runs: asking the engine would tell nothing new.
      if (isConnected(next.container.Id)) {
        return Option.some({ ...next.container, Name: `/${containerName}` })
      }
      const container = yield* engine.containerInspect(next.container.Id)
      if (container.State.Running) return Option.some(container)
      // It died while it waited (an engine that was started anew, perhaps).
      yield* undo(`container ${id}`, engine.containerRemove(container.Id))
      const network = networkOf(container)
      if (isNetworkName(network)) {
        yield* undo(`network ${network}`, removeNetwork(engine, network))
      }
    }
  })

  /** Gives a ready container to a session; none where none is ready. Not to be interrupted. */
  const claim = (...asked: Parameters<typeof find>) =>
    find(...asked).pipe(
      Effect.tap((found) => countClaim(Option.isSome(found) ? "hit" : "miss")),
      Effect.ensuring(countReady),
    )

  return { claim, want }
})

import { EngineError, type ExecRequest, type HostError } from "@cordon/core"
import { Deferred, Duration, Effect, Option, type Scope } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import type { ContainerInspect } from "../engine/schemas.ts"
import { sandboxOf } from "../Labels.ts"
import { Lane } from "./Lane.ts"
import type { Round } from "./Round.ts"
import { commandMessage, helperMessage, mostInlineStdin } from "./script.ts"

/** What a command needs to be run on a channel. */
export interface ChannelRequest {
  readonly command: ExecRequest["command"]
  readonly cwd: string | undefined
  readonly env: Readonly<Record<string, string>>
  readonly user: string | undefined
  /** All of standard input; none where absent. */
  readonly stdin: Uint8Array | undefined
  /** One of our own scripts, `/bin/sh -c script sh ...`, which an armed shell can run by itself. */
  readonly helper: boolean
}

/** A lane that was taken for one command. */
export interface Seat {
  readonly lane: Lane
  readonly round: Round
  readonly message: string
}

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** The channels of a driver: for each container and user a few lanes. */
export interface Channels {
  /**
   * A lane for the command; none where it has to be run by the engine. To be called where it can't
   * be interrupted, with what makes waiting interruptible: a seat has to be used or its lane closed.
   */
  readonly take: (
    target: { readonly id: string; readonly instanceId: string },
    request: ChannelRequest,
    restore: Restore,
  ) => Effect.Effect<Seat | undefined>
  /** Whether a running command of the engine's is only a lane of ours that waits. */
  readonly isIdle: (execId: string) => boolean
  /** Gives up the lanes of a container that run nothing. */
  readonly drop: (instanceId: string) => Effect.Effect<void>
}

// Longer ones go the ordinary way: the time goes elsewhere then.
const mostMessage = 48 * 1024
const mostLanes = 8
const processesOfLane = 4
// All lanes together hold a quarter of a sandbox's process slots at most.
const slotsOfLane = 4 * processesOfLane

// Who finds no lane free, and may open none, waits for one that took its command less than this
// ago: most are short, and the engine would not be quicker. Milliseconds.
const shortCommand = 50
// When a spent lane arms if nobody wants it sooner: once its result was read, and later where other
// commands run, which arming would slow down. Milliseconds.
const pause = 1
const pauseAmongOthers = 25

// What shells set, drop or keep to themselves can't pass through one unchanged.
const awkwardName =
  /^(?![A-Za-z_]\w*$)|^(_|IFS|OPTIND|OPTARG|PPID|UID|EUID|LINENO|RANDOM|SRANDOM|SECONDS|PWD|OLDPWD|SHLVL|GROUPS|DIRSTACK|FUNCNAME|HISTCMD|SHELLOPTS|BASH.*|COMP_.*|EPOCH.*|_cordon_.*|CORDON_EXEC_ID)$/

/** What a container's channel may be. */
interface Terms {
  readonly cwd: string
  /** Milliseconds after which a lane that waits ends, and one that works is replaced. */
  readonly age: number
  readonly lanes: number
  /** Whether a lane arms sooner than the engine starts a command. */
  readonly quick: boolean
  readonly unable: string | undefined
}

const termsOf = (container: ContainerInspect): Terms => {
  const sandbox = Option.getOrUndefined(
    sandboxOf({
      name: container.Name,
      instanceId: container.Id,
      status: container.State.Status,
      image: container.Config.Image,
      createdAt: new Date(container.Created),
      labels: container.Config.Labels ?? {},
    }),
  )
  const names = (container.Config.Env ?? []).map((entry) => entry.replace(/=.*/s, ""))
  const awkward = names.find((name) => awkwardName.test(name))
  const pids = sandbox?.limits.pids ?? 0
  return {
    cwd: container.Config.WorkingDir || "/",
    // Other processes see by the start of a lane that the sandbox is used, and take a lane that
    // runs for use: both has to be true often enough for their leases.
    age: Math.min(60_000, (sandbox?.lease.idleTimeout ?? 0) / 4),
    lanes: Math.min(mostLanes, Math.floor(pids / slotsOfLane)),
    // A lane arms by three forks, each of which takes gVisor a fifth of what a command does.
    quick: sandbox?.runtime !== "gvisor",
    unable:
      awkward !== undefined
        ? `a shell can't pass on the environment variable ${awkward}`
        : pids < 8 * processesOfLane
          ? `its limit of ${pids} processes is too low`
          : undefined,
  }
}

const messageOf = (request: ChannelRequest, cwd: string, declined: string) => {
  const { command, env, stdin, helper } = request
  if (typeof command !== "string" && helper) {
    const [, , script = "", , ...args] = command
    return helperMessage(script, args, stdin)
  }
  return commandMessage({ command, cwd, env, stdin, declined })
}

/** Whether a shell can run it just as the engine would. */
const fits = ({ command, cwd, env, stdin, helper }: ChannelRequest): boolean => {
  const words: ReadonlyArray<string> = typeof command === "string" ? [command] : command
  const length = words.reduce((sum, word) => sum + word.length, 0)
  return (
    length < mostMessage &&
    (helper || (stdin?.length ?? 0) <= mostInlineStdin) &&
    !/^(-|$)/.test(typeof command === "string" ? "sh" : command[0]) &&
    (cwd === undefined || cwd.startsWith("/")) &&
    [...words, cwd ?? "", ...Object.values(env)].every((word) => !word.includes("\0")) &&
    !Object.keys(env).some((name) => awkwardName.test(name))
  )
}

const keyOf = (instanceId: string, user: string | undefined) => `${instanceId} ${user ?? ""}`

class Pool {
  readonly lanes = new Set<Lane>()
  readonly ready: Array<Lane> = []
  readonly waiting: Array<Deferred.Deferred<Lane>> = []
  opening = 0
  terms: Terms | undefined
  /** Milliseconds of `performance.now` before which no lane is opened: the last one could not be. */
  notBefore = 0
  unable: string | undefined

  #count(f: (lane: Lane) => boolean): number {
    let count = 0
    for (const lane of this.lanes) if (f(lane)) count++
    return count
  }

  get arming(): number {
    return this.#count(({ state }) => state === "settling")
  }

  /** How many lanes are free as soon as they have armed. */
  get settling(): number {
    return this.#count(({ state }) => state === "settling" || state === "spent")
  }

  /** How many lanes run what may well be over soon. */
  get hurrying(): number {
    const since = performance.now() - shortCommand
    return this.#count(({ state, usedAt }) => state === "busy" && usedAt > since)
  }

  /** Has a spent lane arm at once, if there is one. */
  arm(): void {
    ;[...this.lanes].find(({ state }) => state === "spent")?.arm()
  }
}

/** Keeps the channels of a driver for as long as the scope lives. */
export const makeChannels = Effect.fnUntraced(function* (engine: DockerEngine["Service"]) {
  const scope: Scope.Scope = yield* Effect.scope
  const pools = new Map<string, Pool>()
  let closed = false
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      closed = true
    }),
  )
  const idle = new Set<string>()
  const busy = new Set<Lane>()

  const poolOf = (instanceId: string, user: string | undefined) => {
    const key = keyOf(instanceId, user)
    const pool = pools.get(key) ?? new Pool()
    pools.set(key, pool)
    return pool
  }

  const onState = (pool: Pool) => (lane: Lane, state: "spent" | "ready" | "closed") => {
    busy.delete(lane)
    idle.add(lane.execId)
    if (state === "closed") {
      pool.lanes.delete(lane)
      // The engine lists it until it has noticed.
      // By its ID: a lane holds its buffers as long as somebody holds the lane.
      const { execId } = lane
      setTimeout(() => idle.delete(execId), 30_000).unref()
      const at = pool.ready.indexOf(lane)
      if (at !== -1) pool.ready.splice(at, 1)
      return
    }
    lane.usedAt = performance.now()
    if (lane.usedAt - lane.openedAt > (pool.terms?.age ?? 0)) {
      return void Effect.runFork(lane.close)
    }
    if (state === "spent") {
      if (pool.waiting.length > pool.arming) return lane.arm()
      setTimeout(() => lane.arm(), busy.size > 0 ? pauseAmongOthers : pause).unref()
      return
    }
    pool.ready.push(lane)
    const waiter = pool.waiting.shift()
    if (waiter !== undefined) hand(pool, waiter)
  }

  /** Takes a ready lane: one that had time to arm, and of these the last, so that others can end. */
  const pick = (pool: Pool): Lane | undefined => {
    const now = performance.now()
    const armed = pool.ready.findLastIndex(({ usedAt }) => now - usedAt > 5)
    const [lane] = pool.ready.splice(Math.max(0, armed), 1)
    if (lane === undefined) return undefined
    lane.take()
    idle.delete(lane.execId)
    busy.add(lane)
    // Who runs one command right after the other finds it armed.
    if (pool.ready.length === 0) pool.arm()
    return lane
  }

  const hand = (pool: Pool, waiter: Deferred.Deferred<Lane>) => {
    const lane = pick(pool)
    if (lane !== undefined) Deferred.doneUnsafe(waiter, Effect.succeed(lane))
  }

  /** Ends lanes that nobody used for a while. */
  const janitor = (lane: Lane, age: number) =>
    Effect.gen(function* () {
      while (lane.state !== "closed") {
        yield* Effect.sleep(Math.max(50, age / 4))
        if (lane.state === "ready" && performance.now() - lane.usedAt >= age) yield* lane.close
      }
    })

  const open = Effect.fnUntraced(function* (
    pool: Pool,
    target: { readonly id: string; readonly instanceId: string },
    user: string | undefined,
    restore: Restore,
    spare = false,
  ) {
    pool.opening++
    const opened = yield* Effect.gen(function* () {
      const terms = pool.terms ?? termsOf(yield* engine.containerInspect(target.instanceId))
      pool.terms = terms
      if (terms.unable !== undefined) return { unable: terms.unable }
      return yield* Lane.open(engine, target.instanceId, user, scope, onState(pool))
    }).pipe(
      Effect.timeoutOption(Duration.seconds(10)),
      restore,
      Effect.map(Option.getOrElse(() => ({ unable: "" }))),
      Effect.catch((error: HostError) => Effect.succeed(error)),
      Effect.ensuring(
        Effect.sync(() => {
          pool.opening--
        }),
      ),
    )
    if (opened instanceof Lane) {
      pool.lanes.add(opened)
      busy.add(opened)
      yield* Effect.forkIn(janitor(opened, pool.terms?.age ?? 0), scope)
      return opened
    }
    const log = { sandbox: target.id, ...(user === undefined ? {} : { user }) }
    if ("unable" in opened && opened.unable !== "") {
      pool.unable = opened.unable
      yield* Effect.logWarning(
        `This sandbox can't have an exec channel (${opened.unable}): the engine starts each command, which is slower`,
        log,
      )
      return undefined
    }
    // Gone or stopped: running the command says it better.
    if (opened instanceof EngineError && [404, 409].includes(opened.status)) return undefined
    pool.notBefore = performance.now() + 2000
    if (!spare) {
      yield* Effect.logInfo("An exec channel did not start; the engine starts the command", log)
    }
    return undefined
  })

  /** Waits for a lane that has just finished; most are free at once. */
  const freedLane = (pool: Pool, restore: Restore) =>
    Effect.suspend(() => {
      const waiter = Deferred.makeUnsafe<Lane>()
      pool.waiting.push(waiter)
      return Deferred.await(waiter).pipe(
        Effect.timeoutOption("100 millis"),
        restore,
        Effect.onExit((exit) =>
          Effect.suspend(() => {
            const at = pool.waiting.indexOf(waiter)
            if (at !== -1) pool.waiting.splice(at, 1)
            const unused = exit._tag === "Failure" || Option.isNone(exit.value)
            return unused && Deferred.isDoneUnsafe(waiter)
              ? Effect.flatMap(Deferred.await(waiter), (lane) => lane.close)
              : Effect.void
          }),
        ),
        Effect.map(Option.getOrUndefined),
      )
    })

  /** A lane that has to be waited for, or opened. */
  const laneFor = Effect.fnUntraced(function* (
    target: { readonly id: string; readonly instanceId: string },
    pool: Pool,
    user: string | undefined,
    restore: Restore,
  ) {
    const mayOpen = () =>
      performance.now() >= pool.notBefore &&
      pool.lanes.size + pool.opening < (pool.terms?.lanes ?? mostLanes)
    const soon = pool.settling + (mayOpen() ? 0 : pool.hurrying)
    if (pool.terms?.quick === false && pool.lanes.size + pool.opening > 0) return undefined
    if (soon > pool.waiting.length) {
      pool.arm()
      // Who runs one command right after the other is quicker with two lanes: one arms meanwhile.
      if (pool.lanes.size + pool.opening < 2 && mayOpen()) {
        const spare = Effect.uninterruptibleMask((waiting) =>
          Effect.flatMap(open(pool, target, user, waiting, true), (lane) =>
            lane === undefined ? Effect.void : lane.rest,
          ),
        )
        yield* Effect.forkIn(spare, scope)
      }
      const freed = yield* freedLane(pool, restore)
      if (freed !== undefined) return freed
    }
    return mayOpen() ? yield* open(pool, target, user, restore) : undefined
  })

  const channels: Channels = {
    take: (target, request, restore) =>
      Effect.suspend(() => {
        if (closed || !fits(request)) return Effect.undefined
        const pool = poolOf(target.instanceId, request.user)
        if (pool.unable !== undefined) return Effect.undefined
        const seat = (lane: Lane | undefined): Seat | undefined => {
          if (lane === undefined) return undefined
          const { round } = lane
          const cwd = request.cwd ?? pool.terms?.cwd ?? "/"
          return { lane, round, message: messageOf(request, cwd, round.declined) }
        }
        const lane = pick(pool)
        return lane === undefined
          ? Effect.map(laneFor(target, pool, request.user, restore), seat)
          : Effect.succeed(seat(lane))
      }),
    isIdle: (execId) => idle.has(execId),
    drop: (instanceId) =>
      Effect.forEach(
        [...pools].filter(([key]) => key.startsWith(`${instanceId} `)),
        ([key, pool]) =>
          Effect.forEach(
            [...pool.lanes].filter(({ state }) => state !== "busy"),
            (lane) => lane.close,
            { discard: true },
          ).pipe(
            Effect.andThen(
              Effect.sync(() => {
                if (pool.lanes.size === 0 && pool.opening === 0) pools.delete(key)
              }),
            ),
          ),
        { discard: true },
      ),
  }
  return channels
})

import {
  hasTags,
  requireIncarnation,
  SandboxEvent,
  type SandboxId,
  type SandboxInfo,
  SandboxNotFound,
  SandboxNotRunning,
  type SessionKey,
  type Tags,
} from "@cordon/core"
import { Effect, PubSub, Stream } from "effect"
import type { FileTree } from "./files/FileTree.ts"
import type { ShellState } from "./scripts/shells.ts"

/** A sandbox of the in-memory driver. */
export interface MemorySandbox {
  info: SandboxInfo
  readonly tree: FileTree
  readonly env: Readonly<Record<string, string>>
  /** Shells that keep their state between commands, by name. */
  readonly shells: Map<string, ShellState>
  /** How many commands are running. */
  running: number
}

/** The sandboxes of one driver: which there are, which of them run, and what happens to them. */
export const makeSandboxes = Effect.gen(function* () {
  const sandboxes = new Map<SandboxId, MemorySandbox>()
  const published = yield* PubSub.unbounded<SandboxEvent>()
  const publish = (event: SandboxEvent) => Effect.asVoid(PubSub.publish(published, event))

  const find = (id: SandboxId) =>
    Effect.suspend(() => {
      const sandbox = sandboxes.get(id)
      return sandbox === undefined
        ? Effect.fail(new SandboxNotFound({ sandbox: id }))
        : Effect.as(requireIncarnation(sandbox.info), sandbox)
    })

  const setStatus = Effect.fnUntraced(function* (
    id: SandboxId,
    status: "running" | "stopped",
    event: SandboxEvent,
  ) {
    const sandbox = yield* find(id)
    if (sandbox.info.status === status) return
    sandbox.info = { ...sandbox.info, status }
    yield* publish(event)
  })

  return {
    find,

    findRunning: Effect.fnUntraced(function* (id: SandboxId) {
      const sandbox = yield* find(id)
      const { status } = sandbox.info
      if (status !== "running") return yield* new SandboxNotRunning({ sandbox: id, status })
      return sandbox
    }),

    has: (id: SandboxId) => sandboxes.has(id),

    add: Effect.fnUntraced(function* (sandbox: MemorySandbox) {
      const { id } = sandbox.info
      sandboxes.set(id, sandbox)
      yield* publish(SandboxEvent.Created({ id }))
      yield* publish(SandboxEvent.Started({ id }))
    }),

    remove: Effect.fn("MemoryDriver.remove")(function* (id: SandboxId, instanceId?: string) {
      const { info } = yield* find(id)
      if (instanceId !== undefined && info.instanceId !== instanceId) {
        return yield* new SandboxNotFound({ sandbox: id })
      }
      sandboxes.delete(id)
      yield* publish(SandboxEvent.Removed({ id }))
    }),

    start: (id: SandboxId) => setStatus(id, "running", SandboxEvent.Started({ id })),
    stop: (id: SandboxId) => setStatus(id, "stopped", SandboxEvent.Stopped({ id })),

    inspect: (id: SandboxId) => Effect.map(find(id), infoOf),

    list: (session?: SessionKey, tags?: Tags) =>
      Effect.sync(() =>
        [...sandboxes.values()]
          .filter(({ info }) => session === undefined || info.session === session)
          .filter(({ info }) => hasTags(info, tags))
          .map(infoOf),
      ),

    /** Fails if an incarnation that was running has been stopped or removed since. */
    requireStillRunning: Effect.fnUntraced(function* ({ id, instanceId }: SandboxInfo) {
      const info = sandboxes.get(id)?.info
      if (info?.instanceId !== instanceId) return yield* new SandboxNotFound({ sandbox: id })
      const { status } = info
      if (status !== "running") return yield* new SandboxNotRunning({ sandbox: id, status })
    }),

    endShell: (id: SandboxId, name: string) =>
      Effect.sync(() => void sandboxes.get(id)?.shells.delete(name)),

    events: Stream.fromPubSub(published),
  }
})

export type MemorySandboxes = Effect.Success<typeof makeSandboxes>

const infoOf = ({ info, running }: MemorySandbox): SandboxInfo => ({ ...info, busy: running > 0 })

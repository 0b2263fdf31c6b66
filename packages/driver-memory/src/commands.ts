import {
  type ExecError,
  type ExecEvent,
  type SandboxDriver,
  type SandboxId,
  SandboxNotFound,
} from "@cordon/core"
import { Effect, Stream } from "effect"
import type { MemorySandbox, MemorySandboxes } from "./sandboxes.ts"
import { defaultLanguage } from "./scripts/interpreter.ts"
import { requireFolder, runCommand } from "./scripts/runCommand.ts"
import { beginShell, runInShell } from "./scripts/shells.ts"

type CommandMembers = Pick<SandboxDriver["Service"], "exec" | "shells" | "identify">

/** The members of the driver that run commands. */
export const commandMembers = (sandboxes: MemorySandboxes): CommandMembers => {
  const { findRunning, requireStillRunning } = sandboxes

  /** A command's events, all of them at its end. */
  const running = (
    id: SandboxId,
    run: (sandbox: MemorySandbox) => Effect.Effect<ReadonlyArray<ExecEvent>, ExecError>,
  ): Stream.Stream<ExecEvent, ExecError> =>
    Stream.unwrap(
      Effect.gen(function* () {
        const sandbox = yield* findRunning(id)
        yield* countAsRunning(sandbox)
        const events = yield* run(sandbox)
        // Stopping or removing a sandbox kills its commands. The interpreter can't be killed, so its result is dropped.
        yield* requireStillRunning(sandbox.info)
        return Stream.fromIterable(events)
      }),
    )

  return {
    exec: (id, request) =>
      running(id, ({ tree, env, info }) => runCommand(tree, env, info.workdir, request)),

    shells: {
      begin: Effect.fnUntraced(function* (id, name, { cwd, env }) {
        const sandbox = yield* findRunning(id)
        const folder = cwd ?? sandbox.info.workdir
        yield* requireFolder(sandbox.tree, folder)
        sandbox.shells.set(name, beginShell(folder, defaultLanguage({ ...sandbox.env, ...env })))
      }),

      exec: (id, name, request, forgets) =>
        running(
          id,
          Effect.fnUntraced(function* ({ tree, shells }) {
            const before = shells.get(name)
            if (before === undefined) return yield* new SandboxNotFound({ sandbox: id })
            const { events, state } = yield* runInShell(tree, before, request, forgets)
            shells.set(name, state)
            return events
          }),
        ),

      end: sandboxes.endShell,
    },

    // The driver records a command's user, but runs everything as root.
    identify: (id) =>
      Effect.map(findRunning(id), ({ env }) => ({
        uid: 0,
        gid: 0,
        groups: [],
        home: env["HOME"] ?? "/root",
      })),
  }
}

/** Counts a command as running until the scope ends. */
const countAsRunning = (sandbox: MemorySandbox) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      sandbox.running += 1
    }),
    () =>
      Effect.sync(() => {
        sandbox.running -= 1
      }),
  )

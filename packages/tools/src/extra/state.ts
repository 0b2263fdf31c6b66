/** The state of a session's tools between calls. */
import { makeKeyedLock, type SandboxId, type SandboxSession, type SandboxShell } from "@cordon/core"
import type { Scope } from "effect"

/** A shell that lasts between calls. */
export interface OpenShell {
  readonly shell: SandboxShell
  readonly scope: Scope.Closeable
  /** Of the sandbox: one that was made anew under the same name has another. */
  readonly instanceId: string
}

interface State {
  /** Calls of one turn run at the same time: of two edits of a file one would undo the other. */
  readonly editing: ReturnType<typeof makeKeyedLock<string>>
  /** Files with output, by sandbox, oldest first. */
  readonly kept: Map<SandboxId, ReadonlyArray<string>>
  readonly opening: ReturnType<typeof makeKeyedLock<string>>
  /** By sandbox; the one that was opened first comes first. */
  readonly shells: Map<SandboxId, OpenShell>
}

const states = new WeakMap<SandboxSession, State>()

export const stateOf = (session: SandboxSession): State => {
  const state = states.get(session) ?? {
    editing: makeKeyedLock<string>(),
    kept: new Map(),
    opening: makeKeyedLock<string>(),
    shells: new Map(),
  }
  states.set(session, state)
  return state
}

/** What the tools of one session remember between calls. */
import { makeKeyedLock, type SandboxId, type SandboxSession } from "@cordon/core"

interface State {
  /** Calls of one turn run at the same time: of two edits of a file one would undo the other. */
  readonly editing: ReturnType<typeof makeKeyedLock<string>>
  /** Files with output, by sandbox, oldest first. */
  readonly kept: Map<SandboxId, ReadonlyArray<string>>
}

const states = new WeakMap<SandboxSession, State>()

export const stateOf = (session: SandboxSession): State => {
  const state = states.get(session) ?? { editing: makeKeyedLock<string>(), kept: new Map() }
  states.set(session, state)
  return state
}

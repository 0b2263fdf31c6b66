import type { ExecRequest, SandboxDriver, SandboxId, SandboxSpec, SessionKey } from "@cordon/core"
import type { Effect, Scope } from "effect"

type Body = () => Effect.Effect<unknown, unknown, SandboxDriver | Scope.Scope>

/** What the contract of drivers hands on to its parts. */
export interface DriverNeeds {
  readonly check: (title: string, body: Body) => void
  /** A fresh sandbox, removed with the test. */
  readonly make: (
    more?: Partial<SandboxSpec>,
  ) => Effect.Effect<SandboxId, unknown, SandboxDriver | Scope.Scope>
  /** What a command writes. */
  readonly out: (
    id: SandboxId,
    command: ExecRequest["command"],
    more?: Partial<ExecRequest>,
  ) => Effect.Effect<string, unknown, SandboxDriver>
  readonly session: SessionKey
}

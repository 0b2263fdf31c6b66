import type { Effect, Scope, Stream } from "effect"
import type { ExecError, Unsupported } from "../errors.ts"
import type { ExecEvent, ExecRequest, Terminal, TerminalRequest } from "../values/Exec.ts"
import type { SandboxId } from "../values/SandboxId.ts"
import type { SandboxUser } from "../values/SandboxUser.ts"

/** How a driver runs commands, each of which ends with its caller. */
export interface DriverCommands {
  /** Runs a command; ending the stream early kills it. */
  readonly exec: (id: SandboxId, request: ExecRequest) => Stream.Stream<ExecEvent, ExecError>

  /**
   * Shells that keep their state between commands. Absent by default: elsewhere scripts do this, and only a driver
   * that can't run these scripts needs methods of its own. The caller chooses a `name` that nobody can guess.
   */
  readonly shells?:
    | {
        /** Begins a shell with the folder and the variables of a request. The request's command is not run. */
        readonly begin: (
          id: SandboxId,
          name: string,
          request: ExecRequest,
        ) => Effect.Effect<void, ExecError>
        /**
         * Runs a script in a shell. The next script goes on with the state that this one leaves. If this one is killed,
         * the next goes on with the state before it.
         *
         * @param forgets variables that are no part of the state
         */
        readonly exec: (
          id: SandboxId,
          name: string,
          request: ExecRequest,
          forgets: ReadonlyArray<string>,
        ) => Stream.Stream<ExecEvent, ExecError>
        /** Forgets a shell; no effect where there is none. */
        readonly end: (id: SandboxId, name: string) => Effect.Effect<void>
      }
    | undefined

  /**
   * Looks up a user in a running sandbox.
   *
   * @param user a name, a number, or either with `:group`; the sandbox's own user where absent. A user that the
   * sandbox does not have is `InvalidInput`, as in `exec`
   */
  readonly identify: (id: SandboxId, user?: string) => Effect.Effect<SandboxUser, ExecError>

  /** Runs a command on a new terminal. The end of the scope kills the command and all that it started. */
  readonly terminal: (
    id: SandboxId,
    request: TerminalRequest,
  ) => Effect.Effect<Terminal, ExecError | Unsupported, Scope.Scope>
}

import type { Duration, Effect, Redacted } from "effect"
import type {
  AlreadyExists,
  BranchNotFound,
  CloneFailed,
  ExecTimedOut,
  GitAuthFailed,
  GitMissing,
  InvalidInput,
  OutOfMemory,
  RepositoryNotFound,
  Unsupported,
} from "../../errors.ts"
import type { ScriptError } from "./runScript.ts"

/** Credentials for a server of repositories. A token is a password. */
export interface GitCredentials {
  /** Default: `x-access-token`. Servers that take a token as the password accept any name with it. */
  readonly username?: string | undefined
  /** Kept out of arguments, logs and errors. */
  readonly password: string | Redacted.Redacted<string>
}

/** What of a repository is cloned, and with which credentials. */
export interface CloneOptions {
  /** The folder to clone into. Default: the repository's own name, in the working directory. */
  readonly directory?: string | undefined
  /** A branch or tag. Default: the repository's default branch. */
  readonly branch?: string | undefined
  /** How many commits of the history. Default: all. */
  readonly depth?: number | undefined
  /** Whether submodules are cloned too. Default: false. */
  readonly submodules?: boolean | undefined
  /**
   * Used for this one clone, and for the host of the URL only. They are in the environment of the command
   * that clones, and nowhere else: not in its arguments, the repository or the sandbox's files. That
   * command reads none of the sandbox's git configuration, and of its environment only the proxies'
   * variables, so that nothing that was planted in the sandbox sees them. The certificate of a private
   * authority has to be in the image's trust store.
   */
  readonly credentials?: GitCredentials | undefined
  /** Whether credentials may go over plain HTTP, where all on the way can read them. Default: false. */
  readonly insecure?: boolean | undefined
  /** How long the clone may take. Default: `Settings.execTimeout`, 2 minutes. */
  readonly timeout?: Duration.Input | undefined
}

/** What a clone has brought. */
export interface ClonedRepository {
  /** The absolute path of the repository's folder. */
  readonly path: string
  /** The commit that is checked out; undefined in a repository without commits. */
  readonly commit: string | undefined
  /** The branch that is checked out; undefined where a tag was asked for. */
  readonly branch: string | undefined
}

/** Why a clone may fail. */
export type GitError =
  | ScriptError
  | InvalidInput
  | Unsupported
  | AlreadyExists
  | GitMissing
  | GitAuthFailed
  | RepositoryNotFound
  | BranchNotFound
  | CloneFailed
  | ExecTimedOut
  | OutOfMemory

/** Git in a sandbox, with the git of its image. */
export interface Git {
  /**
   * Clones a repository over HTTPS (or HTTP), as the sandbox's user. A clone that fails leaves nothing
   * behind. Credentials may also stand in the URL, and do not stay in it. Fails with `GitMissing` where the
   * image has no git, and with `AlreadyExists` where the folder has entries.
   *
   * @example
   * ```ts
   * const { path, commit } = yield* sandbox.git.clone("https://github.com/acme/app.git", { depth: 1 })
   * ```
   */
  readonly clone: (url: string, options?: CloneOptions) => Effect.Effect<ClonedRepository, GitError>
}

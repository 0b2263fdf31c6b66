import type { ClonedRepository, CloneOptions } from "../sandbox/git/Git.ts"
import type { Abortable } from "./options.ts"

/** Git in a sandbox, with the git of its image. */
export interface PromiseGit {
  /**
   * Clones a repository over HTTPS (or HTTP), as the sandbox's user. It is there whole or not at all.
   * Credentials may also stand in the URL, and do not stay in it.
   *
   * @example
   * const { path, commit } = await sandbox.git.clone("https://github.com/acme/app.git", { depth: 1 })
   */
  readonly clone: (url: string, options?: CloneOptions & Abortable) => Promise<ClonedRepository>
}

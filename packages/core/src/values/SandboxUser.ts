/** A user of a sandbox, as the sandbox's own tables have it. */
export interface SandboxUser {
  /** The user's number. */
  readonly uid: number
  /** The number of the user's own group. */
  readonly gid: number
  /** Further groups. */
  readonly groups: ReadonlyArray<number>
  /**
   * What `$HOME` is to this user's commands: what the image or the sandbox sets, else the home folder.
   * It is the sandbox's word, and may be any text.
   */
  readonly home: string
}

/** npm's form of a repository for git's address; undefined unless it is on a public host. */
export const repositoryOf = (remote: string): string | undefined => {
  const [, host, path] =
    /^(?:https:\/\/|ssh:\/\/git@|git@)([\w.-]+\.[a-z]+)[:/]([\w./-]+?)(?:\.git)?\/?$/.exec(
      remote,
    ) ?? []
  return host === undefined ? undefined : `git+https://${host}/${path}.git`
}

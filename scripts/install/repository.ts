/** What npm calls a repository, for the address that git has; undefined for what is no public host. */
export const repositoryOf = (remote: string): string | undefined => {
  const [, host, path] =
    /^(?:https:\/\/|ssh:\/\/git@|git@)([\w.-]+\.[a-z]+)[:/]([\w./-]+?)(?:\.git)?\/?$/.exec(
      remote,
    ) ?? []
  return host === undefined ? undefined : `git+https://${host}/${path}.git`
}

/** Why ssh brought no engine, in words of ours: what ssh or the far side said is not repeated. */
export class SshFailure extends Error {
  override readonly name = "SshFailure"
  readonly reason: string
  /** Whether another attempt may succeed. */
  readonly passing: boolean

  constructor(reason: string, passing = false) {
    super(reason)
    this.reason = reason
    this.passing = passing
  }
}

/** Messages of OpenSSH, shells and docker. The first match decides. */
const reasons: ReadonlyArray<readonly [RegExp, string]> = [
  [
    /REMOTE HOST IDENTIFICATION HAS CHANGED/,
    "ssh finds another host key there than the one it knows: look why, then remove the old one (ssh-keygen -R HOST)",
  ],
  [
    /Host key verification failed|host key is known for/i,
    "ssh does not know its host key: connect once by hand (ssh HOST), or put the key into known_hosts",
  ],
  [
    /Permission denied \(|Too many authentication failures|no mutual signature/i,
    "it refuses our key: see that `ssh HOST true` works without a password; a key with a passphrase needs ssh-agent",
  ],
  [
    /Bad owner or permissions|bad permissions/i,
    "ssh refuses its own files, which others may change or read",
  ],
  [
    /Bad configuration option|terminating, \d+ bad config/i,
    "ssh does not understand its configuration",
  ],
  [/Can't open user config file/i, "the file that sshConfig names can't be read"],
  [/Could not resolve hostname/i, "ssh can't resolve its host name"],
  [/No route to host|Network is unreachable/i, "ssh finds no route to its host"],
  [
    /Connection timed out|Operation timed out|banner exchange/i,
    "ssh got no answer from its host in time",
  ],
  [
    /is not a docker command|unknown command.*dial-stdio|unknown shorthand|unknown flag/i,
    "the docker client there is older than 18.09 and has no `docker system dial-stdio`",
  ],
  [
    /permission denied while trying to connect|dial unix .*permission denied/i,
    "its user may not open the engine's socket there (is it in the docker group?)",
  ],
  [
    /Cannot connect to the Docker daemon|dial unix|failed to connect to the docker API/i,
    "no engine runs there, or not at the socket that its docker client uses",
  ],
]

const passing: ReadonlyArray<readonly [RegExp, string]> = [
  [/Connection refused/i, "nothing listens at ssh's port there"],
  [
    /kex_exchange_identification|Connection (?:closed|reset) by/i,
    "its sshd closed the connection at once (more connections at a time than its MaxStartups?)",
  ],
]

const missing =
  "it has no docker client on its PATH, which ssh needs there (`ssh HOST docker version`)"

/** Tells apart why ssh ended, by its exit code and its standard error. */
export const sshFailure = (code: number | null, said: string): SshFailure => {
  if (code === 127 || /docker: (?:command )?not found|not recognized as/i.test(said)) {
    return new SshFailure(missing)
  }
  const reason = reasons.find(([pattern]) => pattern.test(said))?.[1]
  if (reason !== undefined) return new SshFailure(reason)
  const later = passing.find(([pattern]) => pattern.test(said))?.[1]
  if (later !== undefined) return new SshFailure(later, true)
  return new SshFailure(
    code === 255
      ? "ssh failed; `ssh HOST docker version` by hand tells more"
      : `what ssh runs there ended${code === null ? "" : ` with exit code ${code}`}; \`ssh HOST docker version\` by hand tells more`,
  )
}

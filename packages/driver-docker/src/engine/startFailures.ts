/**
 * What the engine meant when it could not start a command or a container. Engines and runtimes word
 * the same failure differently, so the call and its status are looked at first, and of the words only
 * the part that comes from a shared library or a system call's name.
 */
import {
  EngineError,
  type ExecError,
  type ExecRequest,
  type HostError,
  InvalidInput,
  InvalidPath,
} from "@cordon/core"
import { Effect } from "effect"

/** What became of a command that the engine could not start. */
export type Verdict =
  /** It did not run, and may soon: no process slot is free, or the container is just ending. */
  | { readonly _tag: "NotNow"; readonly detail: string }
  /** A shell would have said so, with this exit code. */
  | { readonly _tag: "Said"; readonly exitCode: number; readonly text: string }
  | { readonly _tag: "Refused"; readonly error: ExecError }

/** What was asked for. */
export interface Attempted {
  readonly command: ExecRequest["command"]
  readonly cwd?: string | undefined
  readonly user?: string | undefined
}

// Such a message is short: a longer output is the command's own. Characters.
const mostFailureText = 8 * 1024

/** Whether a command's output may be the engine's own word that it could not start the command. */
export const mayBeFailure = (text: string): boolean =>
  text.length < mostFailureText &&
  /^(OCI runtime exec failed|unable to find (user|group)|uids and gids must|no (users|groups) found|rpc error|cannot exec|Error: (runc|crun): |.{0,80}no matching entries)/.test(
    text,
  )

// The library that reads /etc/passwd for Docker, containerd and Podman words it so.
const userWords =
  /unable to find (user|group)|no matching entries in (passwd|group)|uids and gids must be in range|no (users|groups) found/i

const greatestId = 2 ** 31 - 1

const unknownUser = (user: string | undefined) =>
  new InvalidInput({
    subject: "user",
    issue: `the sandbox has no ${user === undefined ? "such user as its image names" : `user or group ${JSON.stringify(user)}`}; use one of its /etc/passwd, or a number up to ${greatestId}`,
  })

/** Refuses a user or group number that Linux does not have; engines disagree about what to say. */
export const requireUserNumbers = (user: string | undefined): Effect.Effect<void, InvalidInput> =>
  (user ?? "").split(":").some((part) => /^\d+$/.test(part) && Number(part) > greatestId)
    ? Effect.fail(unknownUser(user))
    : Effect.void

/** Of an engine that would not prepare a command: newer ones look for the user at that call. */
export const judgePreparation = (
  error: HostError,
  user: string | undefined,
): InvalidInput | HostError =>
  // All else in the request has a form that the engine takes.
  error._tag === "EngineError" && (error.status === 400 || userWords.test(error.detail))
    ? unknownUser(user)
    : error

/** Of an engine that would not start a container. */
export const judgeContainerStart = (
  error: HostError,
  user: string | undefined,
): InvalidInput | HostError =>
  error._tag === "EngineError" && userWords.test(error.detail) ? unknownUser(user) : error

/** Takes what was asked for out of a message, which then has the engine's own words only. */
const withoutRequest = (detail: string, { command, cwd, user }: Attempted) =>
  [...(typeof command === "string" ? [] : command.slice(0, 1)), cwd, user]
    .flatMap((word) => (word ? [JSON.stringify(word), `\`${word}\``] : []))
    .reduce((text, word) => text.replaceAll(word, "it"), detail)

/**
 * What the engine meant when it could not start a command.
 *
 * @param status of its answer; 0 where it said so among the command's output
 */
export const judgeStartFailure = (detail: string, request: Attempted, status = 0): Verdict => {
  const program = typeof request.command === "string" ? "/bin/sh" : request.command[0]
  const words = withoutRequest(detail, request)
  if (
    /resource temporarily unavailable|cannot allocate memory|pthread_create|newosproc|fork\/exec.*unavailable|read init-p: connection reset/i.test(
      words,
    )
  ) {
    return { _tag: "NotNow", detail }
  }
  if (/in a stopped state|in state stopped/i.test(words)) return { _tag: "NotNow", detail }
  if (userWords.test(words)) return { _tag: "Refused", error: unknownUser(request.user) }
  // The system call that fails is chdir, whatever the runtime says around it.
  if (/\bchdir\b|working directory|\bcwd\b/i.test(words)) {
    const reason = "it is not a folder that commands can run in"
    return { _tag: "Refused", error: new InvalidPath({ path: request.cwd ?? "", reason }) }
  }
  if (/permission denied/i.test(words)) {
    return { _tag: "Said", exitCode: 126, text: `${program}: permission denied\n` }
  }
  if (/not found|no such file|error finding executable/i.test(words)) {
    return { _tag: "Said", exitCode: 127, text: `${program}: not found\n` }
  }
  const error = new EngineError({ operation: "start a command", status, detail })
  return { _tag: "Refused", error }
}

import { ExecEvent, InvalidInput, InvalidPath } from "@cordon/core"
import { Effect, Stream } from "effect"
import { errno, reasonOf } from "../init/errno.ts"
import type { NotStarted } from "../init/errors.ts"
import { unknownUser } from "./users.ts"

/** What was asked for. */
interface Attempted {
  readonly program: string
  readonly cwd: string
  readonly user: string | undefined
}

/** Exit code and message of a command that could not start, as a shell would report them. */
interface Said {
  readonly exitCode: 126 | 127
  readonly text: string
}

/** A shell's report on a program that can't be run, by errno. */
const programFailure = (program: string, number: number): Said =>
  number === errno.ENOENT || number === errno.ENOTDIR
    ? { exitCode: 127, text: `${program}: not found\n` }
    : number === errno.EACCES
      ? { exitCode: 126, text: `${program}: permission denied\n` }
      : { exitCode: 126, text: `${program}: ${reasonOf(number)}\n` }

/** The reason why the init did not start a command: an error for the caller, or a shell's report. */
export const judgeStart = (
  { stage, errno: number }: NotStarted,
  { program, cwd, user }: Attempted,
): Effect.Effect<Said, InvalidInput | InvalidPath> => {
  switch (stage) {
    case "user":
      return Effect.fail(unknownUser(user))
    case "folder":
      return Effect.fail(
        new InvalidPath({ path: cwd, reason: "it is not a folder that commands can run in" }),
      )
    case "process":
      return Effect.succeed({
        exitCode: 126,
        text: `${program}: cannot fork: the sandbox has no process slot or memory left\n`,
      })
    case "request":
      return Effect.fail(
        new InvalidInput({
          subject: "command",
          issue: `the sandbox refused it: ${reasonOf(number)}`,
        }),
      )
    default:
      return Effect.succeed(programFailure(program, number))
  }
}

/** The output and the end of a command that ended before it began. */
export const said = ({ exitCode, text }: Said): Stream.Stream<ExecEvent> =>
  Stream.make(
    ExecEvent.Stderr({ bytes: new TextEncoder().encode(text) }),
    ExecEvent.Exit({ exitCode, timedOut: false, oomKilled: false, restarted: false }),
  )

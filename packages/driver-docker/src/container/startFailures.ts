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

/** A command that ended before it began, as a shell would tell of it. */
interface Said {
  readonly exitCode: 126 | 127
  readonly text: string
}

/** What a shell would say of a program that can't be run, by Linux's number of the error. */
const programFailure = (program: string, number: number): Said =>
  number === errno.ENOENT || number === errno.ENOTDIR
    ? { exitCode: 127, text: `${program}: not found\n` }
    : number === errno.EACCES
      ? { exitCode: 126, text: `${program}: permission denied\n` }
      : { exitCode: 126, text: `${program}: ${reasonOf(number)}\n` }

/** Why the init did not begin a command: an error of whoever asked for it, or what a shell would say. */
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

import { Closed, type PromiseSandbox } from "@cordon/core"
import type { ExecCommandArgs, WriteStdinArgs } from "@openai/agents/sandbox"
import { type LiveCommand, startLive } from "../shared/live.ts"
import { type Answer, withinTokens, worded } from "./answer.ts"

// Milliseconds, the same as in the framework's own clients.
const waitForCommand = 10_000
const waitForInput = 250

/** The commands of a session, each with a number while it runs. */
export interface Commands {
  readonly exec: (args: ExecCommandArgs) => Promise<Answer>
  readonly writeStdin: (args: WriteStdinArgs) => Promise<string>
  /** Kills those that run. */
  readonly close: () => Promise<void>
}

/** A command as the framework asks for it: a shell that it names is run with it. */
const commandOf = ({ cmd, shell, login = true }: ExecCommandArgs) =>
  shell === undefined ? cmd : ([shell, login ? "-lc" : "-c", cmd] as const)

export const makeCommands = (
  sandbox: PromiseSandbox,
  environment: () => Readonly<Record<string, string>>,
): Commands => {
  const running = new Set<LiveCommand>()
  // A command may already run in the sandbox before its start is confirmed here.
  const starting = new Set<Promise<LiveCommand>>()
  let isClosed = false
  /** Those that went on when they had been waited for. */
  const numbered = new Map<number, LiveCommand>()
  let last = 0

  /** The result of a command so far. A command that still runs has a number; an earlier number is kept. */
  const answerOf = (
    command: LiveCommand,
    { since, tokens, number }: { since: number; tokens: number | undefined; number?: number },
  ): Answer => {
    const exitCode = command.exitCode()
    const { both, stdout, stderr } = command.take()
    const { text, originalTokenCount } = withinTokens(both, tokens)
    const answer = {
      both: text,
      stdout,
      stderr,
      wallTimeSeconds: (Date.now() - since) / 1000,
      ...(originalTokenCount === undefined ? {} : { originalTokenCount }),
    }
    if (exitCode !== undefined) {
      running.delete(command)
      if (number !== undefined) numbered.delete(number)
      return { ...answer, exitCode }
    }
    if (number !== undefined) return { ...answer, sessionId: number }
    last += 1
    numbered.set(last, command)
    return { ...answer, sessionId: last }
  }

  const begin = async (args: ExecCommandArgs) => {
    const command = await startLive(sandbox, commandOf(args), {
      cwd: args.workdir,
      env: environment(),
      user: args.runAs,
      tty: args.tty,
    })
    running.add(command)
    return command
  }

  return {
    exec: async (args) => {
      if (isClosed) throw new Closed({ subject: "session" })
      const since = Date.now()
      const begun = begin(args)
      starting.add(begun)
      const command = await begun.finally(() => starting.delete(begun))
      await command.settle(args.yieldTimeMs ?? waitForCommand)
      return answerOf(command, { since, tokens: args.maxOutputTokens })
    },
    writeStdin: async ({ sessionId, chars = "", yieldTimeMs, maxOutputTokens }) => {
      const command = numbered.get(sessionId)
      if (command === undefined) {
        const both = `write_stdin failed: session not found: ${sessionId}`
        return worded({ both, wallTimeSeconds: 0, exitCode: 1 })
      }
      const since = Date.now()
      const typed = chars.replaceAll("\x03", "")
      if (typed !== chars) await command.interrupt()
      if (typed !== "") await command.write(typed)
      await command.settle(yieldTimeMs ?? waitForInput)
      return worded(answerOf(command, { since, tokens: maxOutputTokens, number: sessionId }))
    },
    close: async () => {
      isClosed = true
      await Promise.allSettled(starting)
      const all = [...running]
      running.clear()
      numbered.clear()
      await Promise.all(all.map((command) => command.kill()))
    },
  }
}

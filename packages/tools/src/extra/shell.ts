import { HeadAndTail, type OutputEvent, type Sandbox, type SandboxSession } from "@cordon/core"
import { Duration, Effect, Exit, Schema, Scope } from "effect"
import { number, optional, sandboxField, text } from "../fields.ts"
import { LatestLine, OnToolProgress } from "../progress.ts"
import { shellNote } from "../shell.ts"
import { showing } from "../shown.ts"
import { defineTool } from "../Tool.ts"
import {
  execFields,
  execOutputLimit,
  fieldsOf,
  longestTimeout,
  notesOf,
  renderResult,
  Shown,
} from "../tools/exec.ts"
import { keepOutput, keptLimit, showKept } from "./keptOutput.ts"
import { type OpenShell, stateOf } from "./state.ts"

// The maximum for a session. For one more, the oldest is closed.
const mostShells = 64

const closeShell = ({ scope }: OpenShell) => Scope.close(scope, Exit.void)

/** Ends the shells that a session's tools opened; it can open others. */
export const closeShells = (session: SandboxSession): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { shells } = stateOf(session)
    const open = [...shells.values()]
    shells.clear()
    return Effect.forEach(open, closeShell, { concurrency: 8, discard: true })
  })

const open = (session: SandboxSession, sandbox: Sandbox) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const shell = yield* restore(sandbox.shell()).pipe(
        Scope.provide(scope),
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))),
      )
      stateOf(session).shells.set(sandbox.id, {
        shell,
        scope,
        instanceId: sandbox.info.instanceId,
      })
      return shell
    }),
  )

/** The shell of a sandbox, which is opened by the first call. */
const shellOf = Effect.fnUntraced(function* (
  session: SandboxSession,
  sandbox: Sandbox,
  restart: boolean,
) {
  const { shells, opening } = stateOf(session)
  return yield* Effect.gen(function* () {
    const found = shells.get(sandbox.id)
    // A recreated sandbox of the same name has another `instanceId`.
    if (found !== undefined && !restart && found.instanceId === sandbox.info.instanceId) {
      return found.shell
    }
    if (found !== undefined) {
      shells.delete(sandbox.id)
      yield* closeShell(found)
    }
    const shell = yield* open(session, sandbox)
    const [oldest] = shells
    if (shells.size > mostShells && oldest !== undefined) {
      shells.delete(oldest[0])
      yield* closeShell(oldest[1])
    }
    return shell
  }).pipe(opening(sandbox.id))
})

const input = Schema.Struct({
  sandbox: sandboxField,
  command: optional(text("A script. It may be left out with restart.")),
  stdin: optional(text("Text for standard input, which is empty by default.")),
  timeout_seconds: optional(
    Schema.Finite.pipe(
      Schema.check(Schema.isBetween({ minimum: 1, maximum: longestTimeout })),
    ).annotate({
      description: `Seconds after which the command and its children are killed, 1 to ${longestTimeout}; the shell goes on. The host program chooses the default, usually 120.`,
    }),
  ),
  restart: optional(
    Schema.Boolean.annotate({
      description:
        "Whether the shell is begun anew first: where it began, without what was set. Default false.",
    }),
  ),
})

/** The part of an output that the model reads, and the kept whole. */
class Collected {
  readonly shown = new Shown()
  readonly whole = new HeadAndTail(keptLimit)
  readonly latest = new LatestLine()
}

const wholeOf = (stdout: Collected, stderr: Collected) =>
  stderr.whole.total === 0
    ? stdout.whole.text
    : `[stdout]\n${stdout.whole.text}\n[stderr]\n${stderr.whole.text}`

/** Runs a script in the shell, and keeps the complete output if only a part is shown. */
const run = Effect.fnUntraced(function* (
  session: SandboxSession,
  sandbox: Sandbox,
  command: string,
  { stdin, restart = false, timeout_seconds: seconds }: (typeof input)["Type"],
) {
  const onProgress = yield* OnToolProgress
  const [stdout, stderr] = [new Collected(), new Collected()]
  const onOutput = (event: OutputEvent) => {
    const { shown, whole, latest } = event._tag === "Stdout" ? stdout : stderr
    shown.push(event.bytes)
    whole.push(event.bytes)
    const message = onProgress && latest.push(event.bytes)
    return onProgress && message !== undefined ? onProgress({ message }) : Effect.void
  }
  const shell = yield* shellOf(session, sandbox, restart)
  const result = yield* shell.exec(command, {
    outputLimit: execOutputLimit,
    onOutput,
    stdin,
    timeout: seconds === undefined ? undefined : Duration.seconds(seconds),
  })
  const [out, err] = [stdout.shown.end(), stderr.shown.end()]
  const isCut = out.truncated || err.truncated
  const kept = isCut
    ? yield* keepOutput(session, sandbox, "shell", wholeOf(stdout, stderr))
    : undefined
  const longer = stdout.whole.truncated || stderr.whole.truncated
  const output = {
    ...fieldsOf(result),
    notes: [
      ...(isCut
        ? [
            `The output was ${number(out.total + err.total)} bytes; the middle was cut. ${longer ? `The first and last ${number(keptLimit / 2)} bytes of each output are kept. ` : ""}${showKept(kept)}.`,
          ]
        : []),
      ...(result.anew
        ? ["The shell was begun anew: its folder, variables and functions were lost."]
        : []),
      ...notesOf(result, seconds, sandbox.info),
      ...(yield* shellNote(sandbox, command)),
    ],
  }
  return showing(output, { instead: { ...output, stdout: out.text, stderr: err.text } })
})

export const sandboxShell = defineTool({
  name: "sandbox_shell",
  title: "Run in the shell",
  description: `Run a script in the one shell of a sandbox that lasts: its folder (cd), variables, functions and activated environments are there in the next call. Calls run one after the other. Where nothing of that is needed use sandbox_exec, whose calls may run at the same time. exit ends the script and not the shell; a script that times out is killed, and the shell is as it was before it. What is left running with & may end with the script; for servers use background processes where you have them. Each output is cut to ${number(execOutputLimit)} bytes, and all of it kept in a file that the note names.
Example: {"sandbox": "web-1", "command": "cd app && . venv/bin/activate && export DEBUG=1"}`,
  annotations: { readOnly: false, destructive: true, idempotent: false, openWorld: true },
  input,
  output: Schema.Struct(execFields),
  handler: Effect.fnUntraced(function* (given, session) {
    const sandbox = yield* session.get(given.sandbox)
    // Without a command there is only the restart.
    return yield* run(session, sandbox, given.command ?? ":", given)
  }),
  render: renderResult,
})

import {
  collectOutput,
  type ExecResult,
  formatMemory,
  HeadAndTail,
  type SandboxInfo,
} from "@cordon/core"
import { Duration, Effect, Schema, Stream } from "effect"
import { Condenser } from "../condense.ts"
import { count, envField, number, optional, sandboxField, showSeconds, text } from "../fields.ts"
import { LatestLine, OnToolProgress } from "../progress.ts"
import { shellNote } from "../shell.ts"
import { showing } from "../shown.ts"
import { defineTool } from "../Tool.ts"

/** Bytes of each output that a model gets to read. */
export const execOutputLimit = 30_000

/** The longest timeout that a model may ask for, in seconds. */
export const longestTimeout = 3600

const input = Schema.Struct({
  sandbox: sandboxField,
  command: text(
    "A script for bash, or for sh where the image has no bash; pipes, redirections and several lines work. At most 128 KiB.",
  ),
  cwd: optional(
    text("Where it runs, absolute or relative to the sandbox's working directory (the default)."),
  ),
  env: optional(envField('Environment variables of this command only: {"CI": "1"}.')),
  stdin: optional(text("Text for standard input, which is empty by default.")),
  timeout_seconds: optional(
    Schema.Finite.pipe(
      Schema.check(Schema.isBetween({ minimum: 1, maximum: longestTimeout })),
    ).annotate({
      description: `Seconds after which the command and its children are killed, 1 to ${longestTimeout}. The host program chooses the default, usually 120.`,
    }),
  ),
})

/** The fields with which a command's end is reported. */
export const execFields = {
  exit_code: Schema.Int.annotate({
    description: "0 means success; 128 plus the signal's number where a signal killed it.",
  }),
  stdout: text("Standard output as it was written; a long one has its middle cut out."),
  stderr: text("Standard error as it was written; a long one has its middle cut out."),
  timed_out: Schema.Boolean.annotate({ description: "Whether it was killed by the timeout." }),
  truncated: Schema.Boolean.annotate({ description: "Whether output was cut." }),
  duration_ms: count("How long it ran, in milliseconds."),
  notes: Schema.Array(Schema.String).annotate({
    description: "What else happened and what to do about it: a cut, a timeout, a memory kill.",
  }),
}

const output = Schema.Struct(execFields)

/** An output as the model reads it, in bounded memory. */
export class Shown {
  readonly #condenser = new Condenser()
  readonly #kept = new HeadAndTail(execOutputLimit)

  push(bytes: Uint8Array): void {
    this.#kept.push(Buffer.from(this.#condenser.push(bytes)))
  }

  end(): HeadAndTail {
    this.#kept.push(Buffer.from(this.#condenser.end()))
    return this.#kept
  }
}

const cut = (name: string, { truncated, total }: HeadAndTail) =>
  truncated
    ? [
        `${name} was ${number(total)} bytes; ${number(total - execOutputLimit)} in its middle were cut. For all of it redirect it to a file (command > out.log 2>&1) and read that in parts with sandbox_read_file, or filter it (grep, tail).`,
      ]
    : []

/** Notes on other events, with advice. */
export const notesOf = (
  result: ExecResult,
  timeoutSeconds: number | undefined,
  { limits, runtime }: SandboxInfo,
): ReadonlyArray<string> => [
  ...(result.timedOut
    ? [
        `Killed with its children after ${showSeconds(timeoutSeconds ?? result.duration / 1000)}: the timeout. Give a longer timeout_seconds (at most ${longestTimeout}), or run it in the background: nohup command > out.log 2>&1 &`,
      ]
    : []),
  ...(result.oomKilled
    ? [
        `A process was killed at the sandbox's memory limit of ${formatMemory(limits.memory)}. Use less memory, or create a sandbox with a higher limit.`,
      ]
    : []),
  ...(result.restarted
    ? [
        `The sandbox was restarted because ${result.oomKilled ? "its memory limit ended it as a whole" : `its limit of ${limits.pids} processes was used up`}. Files are intact${runtime === "gvisor" ? ", if this host's gvisor keeps them over a stop" : ""}; background processes are gone.`,
      ]
    : []),
]

/** The model's view of a command's end, without the notes. */
export const fieldsOf = (result: ExecResult) => ({
  exit_code: result.exitCode,
  stdout: result.stdout,
  stderr: result.stderr,
  timed_out: result.timedOut,
  truncated: result.truncated,
  duration_ms: Math.round(result.duration),
})

export const renderResult = ({
  exit_code,
  stdout,
  stderr,
  notes,
}: (typeof output)["Type"]): string => {
  const parts = [
    ...(stdout === "" ? [] : [stdout.replace(/\n$/, "")]),
    ...(stderr === "" ? [] : [`[stderr]\n${stderr.replace(/\n$/, "")}`]),
    ...(exit_code === 0 ? [] : [`[exit code ${exit_code}]`]),
    ...notes.map((note) => `[${note}]`),
  ]
  return parts.length === 0 ? "[exit code 0, no output]" : parts.join("\n")
}

export const sandboxExec = defineTool({
  name: "sandbox_exec",
  title: "Run command",
  description: `Run a shell command in a sandbox and wait for it to end. Returns exit code, stdout and stderr; a non-zero exit code is a normal result, not an error of the tool. Each call is a new shell: cd and exported variables do not last, files do. Each output is cut to ${number(execOutputLimit)} bytes, head and tail kept, and comes without colours and redrawn lines. There is no terminal: pass flags such as -y, and input through stdin. For a server or anything long, run it in the background and look at its log later: nohup command > /tmp/out.log 2>&1 &
Example: {"sandbox": "web-1", "command": "npm ci && npm test", "timeout_seconds": 600}`,
  annotations: { readOnly: false, destructive: true, idempotent: false, openWorld: true },
  input,
  output,
  handler: Effect.fnUntraced(function* (
    { sandbox: reference, command, timeout_seconds: timeout, ...options },
    session,
  ) {
    const sandbox = yield* session.get(reference)
    const onProgress = yield* OnToolProgress
    const execOptions = {
      ...options,
      outputLimit: execOutputLimit,
      timeout: timeout === undefined ? undefined : Duration.seconds(timeout),
    }
    const shown = { Stdout: new Shown(), Stderr: new Shown() }
    const latest = { Stdout: new LatestLine(), Stderr: new LatestLine() }
    const result = yield* sandbox.execStream(command, execOptions).pipe(
      Stream.tap((event) => {
        if (event._tag === "Exit") return Effect.void
        shown[event._tag].push(event.bytes)
        const message = onProgress && latest[event._tag].push(event.bytes)
        return onProgress && message !== undefined ? onProgress({ message }) : Effect.void
      }),
      (events) => collectOutput(events, execOutputLimit),
    )
    const [stdout, stderr] = [shown.Stdout.end(), shown.Stderr.end()]
    const output = {
      ...fieldsOf(result),
      notes: [
        ...cut("stdout", stdout),
        ...cut("stderr", stderr),
        ...notesOf(result, timeout, sandbox.info),
        ...(yield* shellNote(sandbox, command)),
      ],
    }
    return showing(output, { instead: { ...output, stdout: stdout.text, stderr: stderr.text } })
  }),
  render: renderResult,
})

/** Background processes: what outlives the call that started it. */
import type { ProcessInfo, ProcessLogs, Sandbox } from "@cordon/core"
import { Clock, Effect, Option, Schema } from "effect"
import { condense } from "../condense.ts"
import { count, envField, optional, plural, sandboxField, showSeconds, text } from "../fields.ts"
import { defineTool } from "../Tool.ts"
import { keepOutput, keptLimit, showKept } from "./keptOutput.ts"

const mostWait = 600
/** Characters of each output that a model gets to read. */
const outputLimit = 15_000
/** How long a process may take to read its input. */
const inputTime = "30 seconds"

const processField = text("The name of the process, as sandbox_process_start gave it.")

const processFields = {
  name: text("What the other tools call it."),
  command: text("As it was started, at most 1,000 bytes of it."),
  status: Schema.Literals(["running", "exited"]).annotate({
    description: "Whether it runs; what it started may go on once it has exited.",
  }),
  exit_code: Schema.optionalKey(
    Schema.Int.annotate({
      description: "Of one that has exited: 128 plus the signal's number where one ended it.",
    }),
  ),
  running_seconds: Schema.optionalKey(
    Schema.Finite.annotate({ description: "Of one that runs: since when." }),
  ),
  output_bytes: count("Bytes that it has written."),
}
const Process = Schema.Struct(processFields)
type Process = (typeof Process)["Type"]

const describeProcess = (info: ProcessInfo, now: number): Process => ({
  name: info.name,
  command: info.command,
  status: info.status,
  ...(info.exitCode === undefined ? {} : { exit_code: info.exitCode }),
  ...(info.status === "running"
    ? { running_seconds: Math.max(0, Math.round((now - info.startedAt.getTime()) / 1000)) }
    : {}),
  output_bytes: info.outputBytes,
})

const oneLine = (command: string) => {
  const line = command.replace(/\s+/g, " ").trim()
  return line.length > 100 ? `${line.slice(0, 100)}...` : line
}

const showState = ({ exit_code, running_seconds }: Process) =>
  exit_code === undefined
    ? `running for ${showSeconds(running_seconds ?? 0)}`
    : `ended with exit code ${exit_code}`

const showProcess = (process: Process) =>
  `${process.name}: ${showState(process)}, ${plural(process.output_bytes, "byte")} of output: ${oneLine(process.command)}`

const described = (info: ProcessInfo) =>
  Effect.map(Clock.currentTimeMillis, (now) => describeProcess(info, now))

export const sandboxProcessStart = defineTool({
  name: "sandbox_process_start",
  title: "Start background process",
  description: `Start a command that goes on after the call: a server, a watcher, a long build. Returns at once, with the name by which sandbox_process_logs, sandbox_process_input and sandbox_process_stop find it. Do not put & or nohup into the command. After a start look at its logs, since it may have failed. It ends with its sandbox, which is stopped when no tool has used it for a while.
Example: {"sandbox": "web-1", "command": "npm run dev", "name": "dev"}`,
  annotations: { readOnly: false, destructive: true, idempotent: false, openWorld: true },
  input: Schema.Struct({
    sandbox: sandboxField,
    command: text("A script for bash, or for sh where the image has no bash."),
    name: optional(
      text(
        "Lower-case letters, digits and inner hyphens; a random one by default. The name of one that has ended is free.",
      ),
    ),
    cwd: optional(text("Where it runs. Default the sandbox's working directory.")),
    env: optional(envField('Environment variables of this process only: {"PORT": "8080"}.')),
    stdin: optional(
      Schema.Boolean.annotate({
        description: "Whether its input stays open for sandbox_process_input. Default false.",
      }),
    ),
  }),
  output: Process,
  handler: Effect.fnUntraced(function* ({ sandbox: reference, command, ...options }, session) {
    const sandbox = yield* session.get(reference)
    const process = yield* sandbox.processes.start(command, options)
    return yield* described(yield* process.inspect)
  }),
  render: (process) =>
    `Started ${JSON.stringify(process.name)}: it is ${showState(process)}. See what it writes with sandbox_process_logs.`,
})

/** An output as a model reads it: its end, without colours and redrawn lines. */
const shownEnd = (output: string) => {
  const condensed = condense(output)
  if (condensed.length <= outputLimit) return condensed
  const end = condensed.slice(-outputLimit)
  // Starts at the beginning of a line, if no line is longer than that.
  return end.slice(end.slice(0, outputLimit / 2).indexOf("\n") + 1)
}

const whole = ({ stdout, stderr }: ProcessLogs) =>
  stderr === "" ? stdout : `[stdout]\n${stdout}\n[stderr]\n${stderr}`

const listAll = Effect.fnUntraced(function* (sandbox: Sandbox) {
  const now = yield* Clock.currentTimeMillis
  const all = yield* sandbox.processes.list
  return { processes: all.map((info) => describeProcess(info, now)) }
})

export const sandboxProcessLogs = defineTool({
  name: "sandbox_process_logs",
  title: "Look at background processes",
  description: `Look at a background process: whether it runs, its exit code, and the end of what it wrote. With wait_seconds it waits that long for it to end first. Without process it lists all processes of the sandbox, those that have ended too.
Example: {"sandbox": "web-1", "process": "dev"}`,
  annotations: { readOnly: true, destructive: false, idempotent: true, openWorld: false },
  input: Schema.Struct({
    sandbox: sandboxField,
    process: optional(text("The name of the process; all are listed without it.")),
    wait_seconds: optional(
      Schema.Finite.pipe(
        Schema.check(Schema.isBetween({ minimum: 0, maximum: mostWait })),
      ).annotate({
        description: `Seconds to wait for the process to end, 0 (the default) to ${mostWait}. It goes on after them.`,
      }),
    ),
  }),
  output: Schema.Struct({
    processes: Schema.Array(Process).annotate({ description: "Oldest first." }),
    stdout: Schema.optionalKey(text("The end of its standard output, where one was asked for.")),
    stderr: Schema.optionalKey(text("The end of its standard error, where one was asked for.")),
    truncated: Schema.Boolean.annotate({ description: "Whether it wrote more." }),
    note: Schema.optionalKey(text("What is missing, and where it is.")),
  }),
  handler: Effect.fnUntraced(function* ({ sandbox: reference, process: name, ...given }, session) {
    const sandbox = yield* session.get(reference)
    if (name === undefined) return { ...(yield* listAll(sandbox)), truncated: false }
    const process = yield* sandbox.processes.get(name)
    const wait = given.wait_seconds ?? 0
    if (wait > 0) yield* Effect.timeoutOption(process.wait, wait * 1000)
    const info = yield* described(yield* process.inspect)
    const logs = yield* process.logs({ tail: keptLimit })
    const [stdout, stderr] = [shownEnd(logs.stdout), shownEnd(logs.stderr)]
    const output = { processes: [info], stdout, stderr }
    const isCut = [logs.stdout, logs.stderr].some((all) => condense(all).length > outputLimit)
    if (!isCut && !logs.truncated) return { ...output, truncated: false }
    const forgotten = logs.truncated
      ? " The sandbox keeps the last 1 MiB of what a process writes."
      : ""
    const kept = yield* keepOutput(session, sandbox, `process-${name}`, whole(logs))
    const note = `The process wrote ${plural(info.output_bytes, "byte")}; the end is shown. ${showKept(kept)}.${forgotten}`
    return { ...output, truncated: true, note }
  }),
  render: ({ processes, stdout, stderr, note }) => {
    if (stdout === undefined || stderr === undefined) {
      return processes.length === 0
        ? "There are no background processes in this sandbox."
        : processes.map(showProcess).join("\n")
    }
    return [
      ...(stdout === "" ? [] : [stdout.replace(/\n$/, "")]),
      ...(stderr === "" ? [] : [`[stderr]\n${stderr.replace(/\n$/, "")}`]),
      ...(stdout === "" && stderr === "" ? ["[no output]"] : []),
      ...(note === undefined ? [] : [`[${note}]`]),
      ...processes.map((process) => `[${process.name}: ${showState(process)}]`),
    ].join("\n")
  },
})

export const sandboxProcessInput = defineTool({
  name: "sandbox_process_input",
  title: "Write to background process",
  description: `Write to the standard input of a background process that was started with "stdin": true: an answer, a line for an interpreter. End a line with \\n, else the process may wait for its end. Look at the logs for what it answers.
Example: {"sandbox": "web-1", "process": "repl", "text": "print(1 + 1)\\n"}`,
  annotations: { readOnly: false, destructive: true, idempotent: false, openWorld: true },
  input: Schema.Struct({
    sandbox: sandboxField,
    process: processField,
    text: optional(text("What is written.")),
    close: optional(
      Schema.Boolean.annotate({
        description: "Whether its input is at its end then, as by Ctrl-D. Default false.",
      }),
    ),
  }),
  output: Schema.Struct({
    bytes: count("How much was written."),
    taken: Schema.Boolean.annotate({ description: "Whether the process has taken all of it." }),
  }),
  handler: Effect.fnUntraced(function* (given, session) {
    const sandbox = yield* session.get(given.sandbox)
    const process = yield* sandbox.processes.get(given.process)
    const { text = "", close = false } = given
    // A process that does not read its input must not block the call.
    const written = yield* Effect.timeoutOption(process.write(text), inputTime)
    const taken = Option.isSome(written)
    if (close && taken) yield* process.closeStdin
    return { bytes: Buffer.byteLength(text), taken }
  }),
  render: ({ bytes, taken }) =>
    taken
      ? `The process was given ${plural(bytes, "byte")}.`
      : `The process does not read its input: it was given a part of ${plural(bytes, "byte")}. Look at its logs, or stop it.`,
})

export const sandboxProcessStop = defineTool({
  name: "sandbox_process_stop",
  title: "Stop background process",
  description: `Stop a background process with all that it started: SIGTERM, and SIGKILL after 5 seconds. Its logs stay until another one takes its name.
Example: {"sandbox": "web-1", "process": "dev"}`,
  annotations: { readOnly: false, destructive: true, idempotent: true, openWorld: false },
  input: Schema.Struct({ sandbox: sandboxField, process: processField }),
  output: Process,
  handler: Effect.fnUntraced(function* (given, session) {
    const sandbox = yield* session.get(given.sandbox)
    const process = yield* sandbox.processes.get(given.process)
    yield* process.kill()
    return yield* described(yield* process.inspect)
  }),
  render: (process) => `${JSON.stringify(process.name)} is stopped: it ${showState(process)}.`,
})

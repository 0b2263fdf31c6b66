import { Duration, Effect, Schema, Stream } from "effect"
import type { AttachError } from "../../driver/processes.ts"
import { InvalidInput, invalidInput, ProcessInputClosed, ProcessNotFound } from "../../errors.ts"
import { type AttachedProcess, signalNumbers } from "../../values/Process.ts"
import { encodeText } from "../../values/Text.ts"
import type { SandboxContext } from "../context.ts"
import type { BackgroundProcess, KillOptions, LogOptions, ProcessError } from "./Processes.ts"
import { readLog } from "./processLogs.ts"

// A position beyond the end of the output means its end.
const end = Number.MAX_SAFE_INTEGER

const Bytes = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 2 ** 30 })))

const graceOf = Effect.fnUntraced(function* ({ grace = "5 seconds" }: KillOptions) {
  const time = Duration.fromInput(grace)
  if (time._tag === "Some" && Duration.toMillis(time.value) <= 60_000) return time.value
  return yield* new InvalidInput({
    subject: "grace",
    issue: "it must be a duration of at most a minute",
  })
})

/** The handle of a background process. */
export const makeBackgroundProcess = (
  { id, driver, use, useStream, settings }: SandboxContext,
  name: string,
): BackgroundProcess => {
  const find = Effect.flatMap(driver.listProcesses(id), (all) => {
    const found = all.find((process) => process.name === name)
    return found === undefined
      ? Effect.fail(new ProcessNotFound({ process: name }))
      : Effect.succeed(found)
  })

  /** Attaches to the process, from the end of its output on. */
  const withProcess = <A, E>(
    f: (process: AttachedProcess<AttachError>) => Effect.Effect<A, E>,
  ): Effect.Effect<A, E | ProcessError> =>
    use(Effect.scoped(Effect.flatMap(driver.attachProcess(id, name, end), f)))

  const logs = Effect.fn("BackgroundProcess.logs")(function* (options: LogOptions = {}) {
    const tail = yield* Schema.decodeUnknownEffect(Bytes)(
      options.tail ?? settings.outputLimit,
    ).pipe(Effect.mapError(invalidInput("tail of logs")))
    return yield* use(
      Effect.gen(function* () {
        const { outputBytes } = yield* find
        const { events } = yield* driver.attachProcess(id, name, 0)
        return yield* readLog(events, outputBytes, tail)
      }).pipe(Effect.scoped),
    )
  })

  const follow: BackgroundProcess["follow"] = ({ from = "start" } = {}) => {
    const process = driver.attachProcess(id, name, from === "start" ? 0 : end)
    return useStream(Stream.unwrap(Effect.map(process, ({ events }) => events)))
  }

  return {
    name,
    inspect: use(find),
    logs,
    follow,
    wait: Stream.runFold(
      follow({ from: "now" }),
      () => 137,
      (code, event) => (event._tag === "Exit" ? event.exitCode : code),
    ),
    write: Effect.fn("BackgroundProcess.write")(function* (data) {
      const bytes =
        typeof data === "string" ? yield* encodeText("input of the process", data) : data
      yield* withProcess(
        ({ takesInput, write }): Effect.Effect<void, ProcessInputClosed> =>
          takesInput ? write(bytes) : Effect.fail(new ProcessInputClosed({ process: name })),
      )
    }),
    closeStdin: withProcess((process) => process.end),
    signal: Effect.fn("BackgroundProcess.signal")(function* (signal) {
      const number = signalNumbers[signal]
      if (number === undefined) {
        return yield* new InvalidInput({
          subject: "signal",
          issue: `it must be one of ${Object.keys(signalNumbers).join(", ")}`,
        })
      }
      yield* withProcess((process) => process.signal(number))
    }),
    kill: Effect.fn("BackgroundProcess.kill")(function* (options = {}) {
      const grace = yield* graceOf(options)
      yield* use(driver.endProcess(id, name, { grace, keepLog: true }))
    }),
    remove: use(driver.endProcess(id, name, { grace: Duration.zero, keepLog: false })),
  }
}

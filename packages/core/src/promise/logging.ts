import { Cause, Layer, Logger, Predicate, References } from "effect"

/** From the most to the least; `none` is the default where there is no `logger`. */
export type LogLevel = "debug" | "info" | "warn" | "error" | "none"

/** One entry of the log. It tells of no contents: no commands, outputs, files or secrets. */
export interface LogEntry {
  /** How grave it is. */
  readonly level: Exclude<LogLevel, "none">
  /** What happened, in English. */
  readonly message: string
  /** What it is about: a sandbox's ID and the like. */
  readonly fields: Readonly<Record<string, unknown>>
  /** When it was logged. */
  readonly time: Date
}

/** Where log entries go: a function, or something like `console`. */
export type LogSink =
  | ((entry: LogEntry) => void)
  | Readonly<Record<LogEntry["level"], (message: string, fields: LogEntry["fields"]) => void>>

/** What a program says about the log. */
export interface LoggingOptions {
  /** Gets the log; `console` will do. What it throws is ignored. */
  readonly logger?: LogSink | undefined
  /** The least that is logged: `info` with a `logger`, else `none`. Alone it logs to standard error. */
  readonly logLevel?: LogLevel | undefined
}

const levels = { debug: "Debug", info: "Info", warn: "Warn", error: "Error", none: "None" } as const

const levelOf = (level: string): LogEntry["level"] => {
  if (level === "Fatal" || level === "Error") return "error"
  if (level === "Warn") return "warn"
  return level === "Info" ? "info" : "debug"
}

const entryOf = ({ message, cause, logLevel, date, fiber }: Logger.Options<unknown>): LogEntry => {
  const parts = Array.isArray(message) ? message : [message]
  const isFields = (part: unknown) => Predicate.isObject(part) && !(part instanceof Error)
  const fields = Object.assign(
    {},
    fiber.getRef(References.CurrentLogAnnotations),
    ...parts.filter(isFields),
    cause.reasons.length === 0 ? {} : { cause: Cause.pretty(cause) },
  )
  const text = parts.filter((part) => !isFields(part)).map(String)
  return { level: levelOf(logLevel), message: text.join(" "), fields, time: date }
}

const toSink = (sink: LogSink) =>
  Logger.make((options) => {
    const entry = entryOf(options)
    try {
      if (typeof sink === "function") sink(entry)
      else sink[entry.level](entry.message, entry.fields)
    } catch {
      // A log that is broken must not break what it tells of.
    }
  })

/** Silent unless the program says otherwise. */
export const layerLogging = ({ logger, logLevel }: LoggingOptions): Layer.Layer<never> => {
  const level = logLevel ?? (logger === undefined ? "none" : "info")
  return Layer.mergeAll(
    Layer.succeed(References.MinimumLogLevel, levels[level]),
    // Standard output is the program's own, and often a protocol's.
    Layer.succeed(Logger.LogToStderr, true),
    logger === undefined ? Layer.empty : Logger.layer([toSink(logger)]),
  )
}

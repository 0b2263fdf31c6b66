import { styleText } from "node:util"
import { Data, Effect, Runtime, Schema } from "effect"
import { harmless, harmlessLines } from "./harmless.ts"

type Style = Parameters<typeof styleText>[0]

/** Colours text where standard output is a terminal that wants it (`NO_COLOR`, `FORCE_COLOR`). */
export const styled = (style: Style, text: string): string =>
  styleText(style, text, { stream: process.stdout })

/** Whether the reader of the output has gone. */
export class OutputClosed extends Data.TaggedError("OutputClosed")<{ readonly message: string }> {}

/** Writes, and waits until it is written. */
export const write = (stream: NodeJS.WriteStream, content: string | Uint8Array) =>
  Effect.callback<void, OutputClosed>((resume) => {
    stream.write(content, (error) =>
      resume(
        error ? Effect.fail(new OutputClosed({ message: "the output is closed" })) : Effect.void,
      ),
    )
  })

export const print = (text: string) => write(process.stdout, `${text}\n`)

/** Prints a value in its schema's form. */
export const printJson = <S extends Schema.Constraint & { readonly EncodingServices: never }>(
  schema: S,
  value: S["Type"],
) =>
  Effect.flatMap(Effect.orDie(Schema.encodeEffect(schema)(value)), (encoded) =>
    print(harmlessLines(JSON.stringify(encoded, null, 2))),
  )

/** Columns as wide as their widest cell; the first row is the heading. */
export const table = (cells: ReadonlyArray<ReadonlyArray<string>>): string => {
  const rows = cells.map((row) => row.map(harmless))
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  )
  return rows
    .map((row, line) => {
      const text = row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd()
      return line === 0 ? styled("bold", text) : text
    })
    .join("\n")
}

/** Milliseconds as people say an age: `45 s`, `3 min`, `2 h`, `4 d`. */
export const age = (milliseconds: number): string => {
  const seconds = Math.max(0, Math.round(milliseconds / 1000))
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`
}

/** Prints a problem in one line on standard error. */
export const complain = (message: string) => {
  const prefix = styleText(["red", "bold"], "cordon:", { stream: process.stderr })
  process.stderr.write(`${prefix} ${harmlessLines(message)}\n`)
}

/** Ends the command with an exit code other than 0. All messages have been printed already. */
export class Ended extends Error {
  readonly _tag = "Ended"
  readonly code: number
  override readonly [Runtime.errorExitCode]: number
  override readonly [Runtime.errorReported] = false

  constructor(code: number) {
    super(`ended with exit code ${code}`)
    this.code = code
    this[Runtime.errorExitCode] = code
  }
}

/** The exit code of Docker's client for a wrong command line, and for a command that was never run. */
export const notRun = 125

/**
 * Ends a command with the exit code that it succeeded with. A failure is one line on standard
 * error, and the exit code `failure`.
 */
export const ending = <E extends { readonly message: string }, R>(
  command: Effect.Effect<number, E, R>,
  failure = 1,
): Effect.Effect<void, Ended, R> =>
  command.pipe(
    Effect.catch((error) =>
      Effect.sync(() => {
        complain(error.message)
        return failure
      }),
    ),
    Effect.flatMap((code) => (code === 0 ? Effect.void : Effect.fail(new Ended(code)))),
  )

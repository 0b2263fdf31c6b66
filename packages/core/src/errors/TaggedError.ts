/** The base of all errors: what a program sees of one in a console, in JSON and in a test's report. */
import { Schema } from "effect"

/** What programs in the sandbox wrote: the error has it, its JSON does not repeat it. */
const contents: ReadonlySet<string> = new Set(["stdout", "stderr"])

/** Marks errors of ours, of another copy of this package too. */
const ours = Symbol.for("@cordon/core/TaggedError")

const face: PropertyDescriptorMap & ThisType<Error> = {
  toJSON: {
    value() {
      const fields = Object.entries(this).filter(([name]) => !contents.has(name))
      return { ...Object.fromEntries(fields), message: this.message }
    },
    configurable: true,
    writable: true,
  },
  [ours]: { value: true },
  // Node then prints it as any error: its stack, which begins with the message, and its fields.
  [Symbol.for("nodejs.util.inspect.custom")]: { value: undefined, configurable: true },
}

const withFace = <Class>(error: Class): Class => {
  if (typeof error === "function") Object.defineProperties(error.prototype, face)
  return error
}

/**
 * As Effect's `Schema.TaggedError`, for errors that reach programs: `console.log` shows the message,
 * the stack and the fields, and JSON has the message beside the fields, without what a command wrote.
 *
 * @example
 * import { TaggedError } from "@cordon/core"
 * import { Schema } from "effect"
 *
 * class OutOfPaper extends TaggedError<OutOfPaper>()("OutOfPaper", { tray: Schema.Number }) {
 *   override get message() {
 *     return `Tray ${this.tray} is empty. Fill it.`
 *   }
 * }
 */
export const TaggedError =
  <Self>() =>
  <Tag extends string, const Fields extends Schema.Struct.Fields>(tag: Tag, fields: Fields) =>
    withFace(Schema.TaggedError<Self>()(tag, fields))

/** Whether it is an error that {@link TaggedError} made the class of. */
export const isTagged = (error: unknown): error is Error => error instanceof Error && ours in error

/**
 * An error of ours with the lines of the call that it ended, for packages that build another face. A copy: one
 * failure may end many calls. What is no error of ours stays as it is.
 */
export const withCallSite = (error: unknown, frames: string): unknown => {
  if (frames === "" || !isTagged(error)) return error
  const copy: unknown = Reflect.construct(error.constructor, [{ ...error }])
  if (!isTagged(copy)) return error
  copy.stack = `${error.name}: ${error.message}\n${frames}`
  if (error.cause !== undefined) {
    Object.defineProperty(copy, "cause", { value: error.cause, configurable: true, writable: true })
  }
  return copy
}

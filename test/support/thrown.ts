import { inspect } from "node:util"
import { Cause } from "effect"

/** The longest of what is no sentence. */
const longest = 300

/** A property that is a text with something in it. */
const textOf = (thrown: unknown, key: "message" | "name"): string | undefined => {
  if (typeof thrown !== "object" || thrown === null || !(key in thrown)) return undefined
  const text = Reflect.get(thrown, key)
  return typeof text === "string" && text.trim() !== "" ? text : undefined
}

const say = (thrown: unknown): string => {
  if (typeof thrown === "string") return thrown
  if (Cause.isCause(thrown)) {
    const [first] = Cause.prettyErrors(thrown)
    return first === undefined ? "an empty cause" : say(first)
  }
  const words = textOf(thrown, "message") ?? textOf(thrown, "name")
  if (words !== undefined) return words
  // No code of the value's own.
  const all = { depth: 1, breakLength: Number.POSITIVE_INFINITY, customInspect: false }
  return inspect(thrown, all).slice(0, longest)
}

/** What somebody threw, in a line, whatever it is: anything can be thrown, and reading it can throw. */
export const lineOf = (thrown: unknown): string => {
  try {
    const [line = ""] = say(thrown)
      .split("\n")
      .filter((line) => line.trim() !== "")
    return line === "" ? "an empty text was thrown" : line
  } catch {
    return "what was thrown can't be shown"
  }
}

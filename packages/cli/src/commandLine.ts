import { type Command, Completions } from "effect/cli"

// Arguments after their first operand belong to a command in the sandbox, as with docker.
const takesCommand = new Set(["exec", "run"])

// Effect's own flags with a value. Descriptors do not list them.
const globalFlags = ["log-level", "completions"]

/** The long name of each flag that has a value, by that name and by its aliases. */
const flagsWithValue = ({ flags }: Completions.CommandDescriptor): ReadonlyMap<string, string> =>
  new Map([
    ...globalFlags.map((name) => [name, name] as const),
    ...flags
      .filter(({ type }) => type._tag !== "Boolean")
      .flatMap(({ name, aliases }) => [name, ...aliases].map((alias) => [alias, name] as const)),
  ])

/** Splits letters after one dash. The first letter that has a value takes the rest: `-itu root`, `-eA=1`. */
const splitLetters = (
  argument: string,
  withValue: ReadonlyMap<string, string>,
  next: () => string | undefined,
): ReadonlyArray<string> => {
  const letters = Array.from(argument.slice(1))
  const at = letters.findIndex((letter) => letter === "=" || withValue.has(letter))
  const long = withValue.get(letters[at] ?? "")
  if (long === undefined) {
    // Left to the parser, which handles values of switches: `-i=false`.
    return [argument]
  }
  const switches = letters.slice(0, at).map((letter) => `-${letter}`)
  const rest = letters.slice(at + 1).join("")
  const value = rest === "" ? next() : rest.replace(/^=/, "")
  return [...switches, value === undefined ? `-${letters[at]}` : `--${long}=${value}`]
}

/** Splits a command line into the flags before the first operand (with their values joined) and the rest. */
const splitFlags = (args: ReadonlyArray<string>, withValue: ReadonlyMap<string, string>) => {
  const flags: Array<string> = []
  let position = 0
  for (; position < args.length; position++) {
    const argument = args[position] ?? ""
    if (argument === "--" || argument === "-" || !argument.startsWith("-")) break
    const next = () => (position + 1 < args.length ? args[++position] : undefined)
    if (!argument.startsWith("--")) {
      flags.push(...splitLetters(argument, withValue, next))
    } else if (withValue.has(argument.slice(2))) {
      const value = next()
      flags.push(value === undefined ? argument : `${argument}=${value}`)
    } else flags.push(argument)
  }
  return { flags, operands: args.slice(position) }
}

/**
 * Inserts a `--` before the first operand of `exec` and `run`, so that the parser does not look for
 * flags in the command. A `--` that is already there, or before the command, is dropped.
 */
export const separateCommand = (
  args: ReadonlyArray<string>,
  cordon: Command.Command.Any,
): ReadonlyArray<string> => {
  const root = Completions.fromCommand(cordon)
  const before = splitFlags(args, flagsWithValue(root))
  const [name = "", ...rest] = before.operands
  const command = root.subcommands.find((subcommand) => subcommand.name === name)
  if (command === undefined || !takesCommand.has(name)) return args
  const { flags, operands } = splitFlags(rest, flagsWithValue(command))
  const isSeparated = operands[0] === "--"
  const [first, ...others] = isSeparated ? operands.slice(1) : operands
  const given = [...before.flags, name, ...flags]
  if (first === undefined) return given
  const hasImage = flags.some((flag) => flag.startsWith("--image="))
  if (name === "run" && (isSeparated || hasImage)) return [...given, "--", first, ...others]
  const after = others[0] === "--" ? others.slice(1) : others
  return name === "run"
    ? [...given, `--image=${first}`, "--", ...after]
    : [...given, "--", first, ...after]
}

import { Effect } from "effect"
import { Argument, Command, Completions } from "effect/cli"
import { sandboxName } from "../find.ts"
import { ending, print } from "../output.ts"

// Effect's scripts only support fixed words. This word marks the place where the script calls
// `cordon ps`.
const placeholder = "__cordon_names__"

const ask = "cordon ps --names 2>/dev/null"

/** The arguments of `cp`, which may be local paths. */
const copyPlaces = ["from", "to"]

const asked = {
  bash: [`'${placeholder}'`, `$(${ask})`],
  zsh: [placeholder, `$(${ask})`],
  fish: [placeholder, `(${ask})`],
} as const

type Shell = keyof typeof asked
const shells = ["bash", "zsh", "fish"] as const satisfies ReadonlyArray<Shell>

const typeOf = ({ name, type }: Completions.ArgumentDescriptor): Completions.ArgumentType => {
  if (name === sandboxName) return { _tag: "Choice", values: [placeholder] }
  return copyPlaces.some((place) => place === name) ? { _tag: "Path", pathType: "either" } : type
}

const withNames = (command: Completions.CommandDescriptor): Completions.CommandDescriptor => ({
  ...command,
  arguments: command.arguments.map((argument) => ({ ...argument, type: typeOf(argument) })),
  subcommands: command.subcommands.map(withNames),
})

/** The completion script of a shell: Effect's own, extended with the names of sandboxes. */
export const completionScript = (shell: Shell, command: Command.Command.Any): string => {
  const [from, to] = asked[shell]
  const script = Completions.generate(
    command.name,
    shell,
    withNames(Completions.fromCommand(command)),
  )
  return script.replaceAll(from, () => to)
}

export const completion = (command: () => Command.Command.Any) =>
  Command.make("completion", { shell: Argument.Literals("shell", shells) }, ({ shell }) =>
    Effect.suspend(() => print(completionScript(shell, command()))).pipe(Effect.as(0), ending),
  ).pipe(
    Command.withDescription(
      "Prints a script that completes commands, flags and names of sandboxes: source <(cordon completion bash)",
    ),
  )

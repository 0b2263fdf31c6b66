import { Effect } from "effect"
import { Argument, Command, Completions } from "effect/cli"
import { sandboxName } from "../find.ts"
import { ending, print } from "../output.ts"

// Effect's scripts hold fixed words only. This word stands in them where `cordon ps` is to be asked.
const placeholder = "__cordon_names__"

const ask = "cordon ps --names 2>/dev/null"

/** The arguments of `cp`: paths of this machine, among others. */
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

/** The script by which a shell completes a command: Effect's own, which asks for the names of sandboxes. */
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

import { Effect } from "effect"
import { CliOutput } from "effect/cli"
import { harmless } from "./harmless.ts"
import { complain } from "./output.ts"

/**
 * Presents an error in a command line in one line, with the place of the help. Otherwise uses
 * Effect's presentation.
 */
export const presenter: CliOutput.Presenter = {
  present: (event) => {
    if (event._tag !== "InvalidInvocation") return CliOutput.defaultPresenter.present(event)
    const problems = event.errors.map(({ message }) =>
      harmless(message.replace(/\s*\n\s*\n\s*/g, ". ").replace(/\s*\n\s*/g, " ")),
    )
    return Effect.sync(() =>
      complain(`${problems.join("; ")}. See '${event.commandPath.join(" ")} --help'.`),
    )
  },
}

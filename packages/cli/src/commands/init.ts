import { Effect, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { common } from "../flags.ts"
import { type Template, templates } from "../init/starter.ts"
import { writeStarter } from "../init/write.ts"
import { ending, print, printJson, styled } from "../output.ts"

/** The output of `cordon init --json`. */
export const InitReport = Schema.Struct({
  /** The folder that the files were written to, as it was given. */
  folder: Schema.String,
  /** The starter that was written: one of the names that `--template` takes. */
  template: Schema.String,
  /** Paths below the folder. */
  files: Schema.Array(Schema.String),
})

const names = Object.keys(templates).filter((name): name is Template => name in templates)

export const init = Command.make(
  "init",
  {
    folder: Argument.String("folder").pipe(
      Argument.withDescription("Where to write it; made if it is missing; here by default"),
      Argument.withDefault("."),
    ),
    template: Flag.Literals("template", names).pipe(
      Flag.withAlias("t"),
      Flag.withDescription(
        "plain: promises. ai-sdk: an agent with the Vercel AI SDK. effect: services and layers",
      ),
      Flag.withDefault<Template>("plain"),
    ),
    json: common.json,
  },
  ({ folder, template, json }) =>
    Effect.gen(function* () {
      const files = yield* writeStarter(folder, template)
      if (json) yield* printJson(InitReport, { folder, template, files })
      else {
        const there = folder === "." ? [] : [`cd ${folder}`]
        yield* print(
          [
            ...files.map((file) => `${styled("green", "wrote")} ${file}`),
            `Next: ${[...there, "npm install", "npm start"].join(" && ")}`,
          ].join("\n"),
        )
      }
      return 0
    }).pipe(ending),
).pipe(
  Command.withDescription(
    "Writes a starter: a program that runs code in a sandbox, ready for npm install; overwrites nothing",
  ),
)

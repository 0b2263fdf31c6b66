import { randomBytes } from "node:crypto"
import { Effect, Schema } from "effect"
import { invalidInput } from "../../errors.ts"
import type { ExecRequest } from "../../values/Exec.ts"
import { SandboxName } from "../../values/SandboxName.ts"
import type { SandboxContext } from "../context.ts"
import type { Commands } from "../exec/commands.ts"
import { makeBackgroundProcess } from "./backgroundProcess.ts"
import type { Processes } from "./Processes.ts"

const Name = (name: string) =>
  Effect.mapError(
    Schema.decodeUnknownEffect(SandboxName)(name),
    invalidInput("name of a background process"),
  )

// Bytes.
const maxDescription = 1000

/** The command as a text, for people. */
const shown = (command: ExecRequest["command"]): string => {
  const text =
    typeof command === "string"
      ? command
      : command
          .map((part) => (/^[\w./:=@%+,-]+$/.test(part) ? part : JSON.stringify(part)))
          .join(" ")
  const bytes = new TextEncoder().encodeInto(text, new Uint8Array(maxDescription))
  return text.slice(0, bytes.read)
}

/** The background processes of one sandbox. */
export const makeProcesses = (
  context: SandboxContext,
  { prepare }: Pick<Commands, "prepare">,
): Processes => {
  const { id, driver, use, need } = context
  const available = need("processes")
  return {
    list: Effect.andThen(available, use(driver.listProcesses(id))),
    get: Effect.fn("Sandbox.processes.get")(function* (name: string) {
      yield* available
      const process = makeBackgroundProcess(context, yield* Name(name))
      yield* process.inspect
      return process
    }),
    start: Effect.fn("Sandbox.processes.start")(function* (command, options = {}) {
      yield* available
      const { name: given, stdin = false, ...others } = options
      const name = yield* Name(given ?? `process-${randomBytes(4).toString("hex")}`)
      const { request } = yield* prepare(command, others)
      const { timeout: _, ...process } = request
      yield* use(driver.startProcess(id, { ...process, name, stdin, description: shown(command) }))
      return makeBackgroundProcess(context, name)
    }),
  }
}

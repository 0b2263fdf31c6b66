import { randomBytes, randomUUID } from "node:crypto"
import { InvalidInput, SandboxDriver, Sandboxes, type SandboxSession } from "@cordon/core"
import { Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { common, sandboxesAt } from "../flags.ts"
import { commandOf, type InsideFlags, insideFlags, requestOf, runInside } from "../inside.ts"
import { ending, notRun, print } from "../output.ts"
import { quiet } from "../quiet.ts"
import { settingsFlags, withSettings } from "../settingsFlags.ts"

// The image's bash, else its sh.
const shell = "if command -v bash >/dev/null; then exec bash; else exec sh; fi"

const commandFrom = (given: ReadonlyArray<string>, { tty, detach }: InsideFlags) => {
  if (given.length > 0) return Effect.succeed(commandOf(given))
  if (detach) return Effect.succeed(undefined)
  return tty
    ? Effect.succeed(shell)
    : new InvalidInput({
        subject: "command",
        issue: "it is missing; give a command, -it for a shell, or -d to start only the sandbox",
      })
}

/**
 * Refuses a name that is in use on the engine, as docker does. Within a session a duplicate is
 * impossible anyway.
 */
const freeName = Effect.fnUntraced(function* (name: Option.Option<string>) {
  if (Option.isNone(name)) return `run-${randomBytes(4).toString("hex")}`
  const driver = yield* SandboxDriver
  const taken = (yield* driver.list()).some((info) => info.name === name.value)
  return taken
    ? yield* new InvalidInput({
        subject: "name",
        issue: `a sandbox named ${JSON.stringify(name.value)} already exists (cordon ps); remove it or choose another name`,
      })
    : name.value
})

const make = (session: SandboxSession, name: string, isRemoved: boolean) =>
  isRemoved ? Sandboxes.scoped(session, { name }) : session.create({ name })

export const run = Command.make(
  "run",
  {
    host: common.host,
    session: Flag.String("session").pipe(
      Flag.withDescription("Session of the sandbox; one of its own by default"),
      Flag.optional,
    ),
    name: Flag.String("name").pipe(
      Flag.withDescription("Name of the sandbox; a random one by default"),
      Flag.optional,
    ),
    rm: Flag.Boolean("rm").pipe(
      Flag.withDescription("Remove the sandbox with the command's end"),
      Flag.withDefault(false),
    ),
    inside: insideFlags,
    settings: {
      IMAGE: settingsFlags.IMAGE,
      RUNTIME: settingsFlags.RUNTIME,
      NETWORK: settingsFlags.NETWORK,
      MEMORY: settingsFlags.MEMORY,
      CPUS: settingsFlags.CPUS,
      PIDS: settingsFlags.PIDS,
      DISK: settingsFlags.DISK,
      REQUIRE_LIMITS: settingsFlags.REQUIRE_LIMITS,
      PULL: settingsFlags.PULL,
    },
    command: Argument.String("command").pipe(
      Argument.withDescription(
        "All that follows the image (or --, for the default image): one argument is a script, several are a program and its arguments; a shell with -t",
      ),
      Argument.atLeast(0),
    ),
  },
  ({ host, session, name, rm, inside, settings, command }) =>
    Effect.gen(function* () {
      const wanted = yield* commandFrom(command, inside)
      if (rm && inside.detach) {
        return yield* new InvalidInput({
          subject: "flags",
          issue:
            "--rm and -d exclude each other; a sandbox in the background is removed when its lease expires, or by cordon rm",
        })
      }
      const sandboxes = yield* Sandboxes
      const free = yield* freeName(name)
      const opened = yield* sandboxes.openSession(Option.getOrElse(session, randomUUID), {
        removeOnClose: false,
      })
      const box = yield* make(opened, free, rm)
      if (wanted !== undefined && !inside.detach) {
        const into = {
          exec: ({ command, ...request }: Parameters<SandboxDriver["Service"]["exec"]>[1]) =>
            box.execStream(command, { ...request, timeout: Number.POSITIVE_INFINITY }),
          terminal: box.terminal,
        }
        return yield* runInside(into, inside, wanted)
      }
      if (wanted !== undefined) {
        const { command: started, ...request } = requestOf(inside, wanted)
        yield* box.processes.start(started, { ...request, name: "main" })
      }
      yield* print(box.id)
      return 0
    }).pipe(
      Effect.scoped,
      Effect.provide(sandboxesAt(host)),
      withSettings(settings),
      quiet,
      (effect) => ending(effect, notRun),
    ),
).pipe(
  Command.withDescription(
    "Makes a sandbox and runs a command in it: cordon run [flags] IMAGE COMMAND..., or cordon run [flags] -- COMMAND...",
  ),
)

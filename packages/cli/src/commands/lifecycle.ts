import { InvalidInput, SandboxDriver, type SandboxInfo } from "@cordon/core"
import { Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { forEachSandbox, sandboxArguments, sessionFlag } from "../find.ts"
import { common, connected } from "../flags.ts"
import { ending, print } from "../output.ts"

type Driver = SandboxDriver["Service"]

const flags = { host: common.host, session: sessionFlag, sandboxes: sandboxArguments }

const each = <E extends { readonly message: string }>(
  { host, session, sandboxes }: Command.Command.Config.Infer<typeof flags>,
  f: (driver: Driver, sandbox: SandboxInfo) => Effect.Effect<void, E>,
) =>
  Effect.flatMap(SandboxDriver, (driver) =>
    forEachSandbox(sandboxes, session, (sandbox, reference) =>
      Effect.andThen(f(driver, sandbox), print(reference)),
    ),
  ).pipe(Effect.provide(connected(host)), ending)

export const start = Command.make("start", flags, (given) =>
  each(given, (driver, { id }) => driver.start(id)),
).pipe(Command.withDescription("Starts sandboxes that are stopped or paused"))

export const stop = Command.make("stop", flags, (given) =>
  each(given, (driver, { id }) => driver.stop(id)),
).pipe(Command.withDescription("Stops sandboxes; their files stay until their leases end"))

export const rm = Command.make(
  "rm",
  {
    ...flags,
    force: Flag.Boolean("force").pipe(
      Flag.withAlias("f"),
      Flag.withDescription("Also those that are running or paused"),
      Flag.withDefault(false),
    ),
  },
  ({ force, ...given }) =>
    each(given, (driver, { id, instanceId, name, status }) =>
      Effect.gen(function* () {
        if (!force && (status === "running" || status === "paused")) {
          return yield* new InvalidInput({
            subject: "sandbox",
            issue: `${JSON.stringify(name)} is ${status}; stop it first, or use -f`,
          })
        }
        yield* driver.remove(id, instanceId)
      }),
    ),
).pipe(Command.withDescription("Removes sandboxes with their files and networks"))

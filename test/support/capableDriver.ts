import {
  type DriverCapabilities,
  ExecEvent,
  type ExecRequest,
  SandboxDriver,
  Sandboxes,
  type SettingsInput,
} from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { Context, Effect, Layer, Stream } from "effect"

type Driver = SandboxDriver["Service"]

const everything: DriverCapabilities["features"] = [
  "processes",
  "ports",
  "pause",
  "terminals",
  "snapshots",
  "stats",
  "egress",
  "git",
]

/** How a made-up command ends. */
export const exit = (
  how: Partial<Omit<Parameters<typeof ExecEvent.Exit>[0], "_tag">> = {},
): ExecEvent =>
  ExecEvent.Exit({ exitCode: 0, timedOut: false, oomKilled: false, restarted: false, ...how })

/** The driver in memory, changed so as a test wants it. */
export const driverWith = (change: (driver: Driver) => Partial<Driver>) =>
  Effect.map(Layer.build(Layer.fresh(memory())), (context) => {
    const driver = Context.get(context, SandboxDriver)
    return { ...driver, ...change(driver) }
  })

/** Says that the driver has every feature. */
export const capable = (driver: Driver): Pick<Driver, "capabilities"> => ({
  capabilities: Effect.map(driver.capabilities, (all) => ({ ...all, features: everything })),
})

/** The sandboxes over a driver, until the scope closes. */
export const sandboxesOn = (driver: Driver, settings: SettingsInput = {}) =>
  Effect.map(
    Layer.build(
      Layer.fresh(
        Sandboxes.layer(settings).pipe(Layer.provide(Layer.succeed(SandboxDriver, driver))),
      ),
    ),
    (context) => Context.get(context, Sandboxes),
  )

/** A session over a changed driver. */
export const sessionWith = (
  change: (driver: Driver) => Partial<Driver>,
  settings: SettingsInput = {},
) =>
  Effect.gen(function* () {
    const sandboxes = yield* sandboxesOn(yield* driverWith(change), settings)
    return yield* sandboxes.session("a")
  })

/** A sandbox whose commands end as they are told, and the requests of them. */
export const commanded = (
  events: ReadonlyArray<ExecEvent> = [exit()],
  settings: SettingsInput = {},
) =>
  Effect.gen(function* () {
    const asked: Array<ExecRequest> = []
    const session = yield* sessionWith(
      (driver) => ({
        ...capable(driver),
        exec: (_, request) => {
          asked.push(request)
          return Stream.fromIterable(events)
        },
      }),
      settings,
    )
    return { session, asked, sandbox: yield* session.create({ name: "box", workdir: "/work" }) }
  })

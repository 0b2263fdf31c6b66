import { Duration, Effect, Schedule, Schema, Stream } from "effect"
import type { DialError } from "../../driver/ports.ts"
import { InvalidInput, invalidInput, type LeaseError, PortUnreachable } from "../../errors.ts"
import { FilePath } from "../../values/FilePath.ts"
import type { SandboxContext } from "../context.ts"
import { exposeOn } from "./expose.ts"
import { heldConnection } from "./heldConnection.ts"
import { listeningPorts, tables } from "./listening.ts"
import type { Ports } from "./Ports.ts"
import { leadTo, listenIn } from "./reversePorts.ts"

// Bytes of a table of sockets. The kernel lists the listening sockets first.
const maxTable = 1024 * 1024

const Port = Schema.Int.pipe(
  Schema.check(Schema.isBetween({ minimum: 1, maximum: 65535 })),
  Schema.annotate({ title: "Port" }),
)
const checked = (port: number) =>
  Effect.mapError(Schema.decodeUnknownEffect(Port)(port), invalidInput("port"))

/** The ports that something listens on, in order. */
const findListening = ({ id, driver }: SandboxContext) => {
  const table = (path: string) =>
    driver.readFile(id, FilePath.make(path), { length: maxTable }).pipe(
      Stream.decodeText,
      Stream.mkString,
      // The kernel may have no IPv6.
      Effect.catchTag("FileNotFound", () => Effect.succeed("")),
    )
  return Effect.map(Effect.forEach(tables, table), (all) =>
    [...new Set(all.flatMap(listeningPorts))].sort((a, b) => a - b),
  )
}

/** The TCP ports of one sandbox. */
export const makePorts = (context: SandboxContext): Ports => {
  const { id, driver, use, need } = context
  const available = need("ports")
  const listening = findListening(context)
  // Starts a sandbox that was stopped for want of use. A sandbox that can't be used fails here, and not at each
  // connection.
  const ready = Effect.suspend(() => use(driver.stat(id, FilePath.make("/"))))

  const serve: Ports["serve"] = Effect.fn("Sandbox.ports.serve")(function* (wanted, handle, again) {
    const port = yield* checked(wanted)
    yield* available
    yield* ready
    yield* listenIn(driver, id, port, handle, again)
  })

  return {
    serve,
    expose: Effect.fn("Sandbox.ports.expose")(function* (wanted, options = {}) {
      const port = yield* checked(wanted)
      const local = options.localPort === undefined ? 0 : yield* checked(options.localPort)
      yield* available
      yield* ready
      const localPort = yield* exposeOn(context, port, local)
      return { port, localPort, url: `http://127.0.0.1:${localPort}` }
    }),
    connect: Effect.fn("Sandbox.ports.connect")(function* (wanted) {
      const port = yield* checked(wanted)
      yield* available
      return yield* heldConnection<DialError, LeaseError>(use, driver.dial(id, port))
    }),
    reverse: Effect.fn("Sandbox.ports.reverse")(function* (port, options) {
      const localPort = yield* checked(options.localPort)
      yield* serve(port, leadTo({ ...options, localPort }))
    }),
    list: Effect.andThen(available, use(listening)),
    wait: Effect.fn("Sandbox.ports.wait")(function* (wanted, options = {}) {
      const port = yield* checked(wanted)
      yield* available
      const timeout = Duration.fromInput(options.timeout ?? "30 seconds")
      if (timeout._tag === "None") {
        return yield* new InvalidInput({ subject: "timeout", issue: "it must be a duration" })
      }
      const late = new PortUnreachable({
        port,
        reason: `nothing listened on it within ${Duration.format(timeout.value)}`,
      })
      const come = Effect.repeat(listening, {
        schedule: Schedule.spaced("100 millis"),
        until: (ports) => ports.includes(port),
      })
      yield* use(come).pipe(
        Effect.timeoutOrElse({ duration: timeout.value, orElse: () => Effect.fail(late) }),
      )
    }),
  }
}

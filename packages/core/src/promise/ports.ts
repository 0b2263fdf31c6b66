import { Effect, Fiber } from "effect"
import { duplexOf } from "../sandbox/ports/duplex.ts"
import type { Sandbox } from "../sandbox/Sandbox.ts"
import { call, callScoped } from "./call.ts"
import type { PromisePorts } from "./PromiseSandbox.ts"
import type { PromiseRuntime } from "./runtime.ts"

/** A connection to a port as a stream, which the end of the scope destroys. */
const connectTo = Effect.fnUntraced(function* ({ connect }: Sandbox["ports"], port: number) {
  const { stream, closed } = duplexOf(yield* connect(port))
  const living = yield* Effect.forkScoped(closed)
  return { stream, ended: Fiber.await(living) }
})

/** The ports of a sandbox, with streams of Node for connections. */
export const portsOf = (runtime: PromiseRuntime, { ports }: Sandbox): PromisePorts => ({
  list: (options) => call(runtime, ["nothing", "ports.list"], { options }, () => ports.list),
  wait: (port, options) =>
    call(runtime, ["wait", "ports.wait"], { port, options }, () => ports.wait(port, options)),
  expose: (port, options) =>
    callScoped(runtime, ["expose", "ports.expose"], { port, options }, () =>
      ports.expose(port, options),
    ).then(({ value, close }) => ({ ...value, close, [Symbol.asyncDispose]: close })),
  connect: (port, options) =>
    callScoped(runtime, ["connect", "ports.connect"], { port, options }, () =>
      connectTo(ports, port),
    ).then(({ value: { stream, ended }, close }) => {
      void Effect.runPromise(ended).then(close)
      return stream
    }),
  reverse: (port, options) =>
    callScoped(runtime, ["reverse", "ports.reverse"], { port, options }, () =>
      ports.reverse(port, options),
    ).then(({ close }) => ({ close, [Symbol.asyncDispose]: close })),
  serve: (port, handle, options) =>
    callScoped(runtime, ["serve", "ports.serve"], { port, handle, options }, () =>
      ports.serve(port, (connection) =>
        Effect.suspend(() => {
          const { stream, closed } = duplexOf(connection)
          try {
            handle(stream)
          } catch (error) {
            stream.destroy()
            throw error
          }
          return closed
        }),
      ),
    ).then(({ close }) => ({ close, [Symbol.asyncDispose]: close })),
})

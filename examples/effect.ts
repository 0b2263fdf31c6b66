// Cordon's services as Effect layers. Run: node --conditions=@cordon/source examples/effect.ts
import { Sandboxes } from "@cordon/core"
import * as docker from "@cordon/driver-docker"
import * as memory from "@cordon/driver-memory"
import { Console, Effect, Layer, Stream } from "effect"

const program = Effect.gen(function* () {
  const sandboxes = yield* Sandboxes
  const session = yield* sandboxes.session("user-42")
  const sandbox = yield* Sandboxes.scoped(session, { limits: { memory: "512MiB" } })

  yield* sandbox.files.write("numbers.txt", "3\n1\n2\n")
  const { stdout } = yield* sandbox.run("sort -n numbers.txt | head -n 1")
  yield* Console.log(`the smallest is ${stdout.trim()}`)

  yield* sandbox
    .execStream("cat numbers.txt; echo oops >&2")
    .pipe(
      Stream.runForEach((event) =>
        event._tag === "Exit"
          ? Console.log(`exit code ${event.exitCode}`)
          : Console.log(`${event._tag}: ${JSON.stringify(Buffer.from(event.bytes).toString())}`),
      ),
    )

  const result = yield* sandbox
    .run("exit 3")
    .pipe(Effect.catchTag("CommandFailed", (error) => Effect.succeed({ exitCode: error.exitCode })))
  yield* Console.log(`a failure is a value: exit code ${result.exitCode}`)
}).pipe(Effect.scoped)

// One line changes the driver of the sandboxes.
const driver = process.env["CORDON_DRIVER"] === "memory" ? memory.layer() : docker.layer()

await Effect.runPromise(Effect.provide(program, Layer.provide(Sandboxes.layer(), driver)))

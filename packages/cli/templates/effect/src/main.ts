import { Sandboxes } from "@cordon/core"
import { layer as docker } from "@cordon/driver-docker"
import { Console, Effect, Layer } from "effect"

const program = Effect.gen(function* () {
  const session = yield* (yield* Sandboxes).session("user-42")
  // Removed when the scope closes, however that comes about.
  const sandbox = yield* Sandboxes.scoped(session, {
    limits: { memory: "512MiB" },
    network: "none",
  })

  yield* sandbox.files.write(
    "primes.sh",
    "seq 2 30 | factor | awk 'NF == 2 { print $2 }' | xargs\n",
  )
  const { stdout } = yield* sandbox.run("sh primes.sh", { timeout: "10 seconds" })
  yield* Console.log(`primes: ${stdout.trim()}`)

  // Every failure is in the type, and is handled by its tag.
  yield* sandbox
    .run("cat missing.txt")
    .pipe(
      Effect.catchTag("CommandFailed", ({ exitCode, stderr }) =>
        Console.log(`exit code ${exitCode}: ${stderr.trim()}`),
      ),
    )
}).pipe(Effect.scoped)

// Other engines are other layers here, and nowhere else.
const live = Sandboxes.layer().pipe(Layer.provide(docker()))

await Effect.runPromise(Effect.provide(program, live))

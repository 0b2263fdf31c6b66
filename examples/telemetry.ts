// node --conditions=@cordon/source examples/telemetry.ts
// Sends traces, metrics and logs of Cordon to an OpenTelemetry collector, by adding one layer. Here
// the collector is a simple server, which prints what it receives.
import { once } from "node:events"
import { createServer } from "node:http"
import { Sandboxes } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { memory } from "@cordon/driver-memory"
import { Effect, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import { Otlp } from "effect/observability"

// All names in a request, at any depth.
const namesIn = (value: unknown): Array<string> =>
  typeof value !== "object" || value === null
    ? []
    : Object.entries(value).flatMap(([key, inner]) =>
        key === "name" && typeof inner === "string" ? [inner] : namesIn(inner),
      )

const arrived = new Map<string, Set<string>>()
const bodies: Array<string> = []
const collector = createServer(async (request, response) => {
  let body = ""
  for await (const chunk of request) body += chunk
  bodies.push(body)
  const path = request.url ?? ""
  const names = arrived.get(path) ?? new Set()
  for (const name of namesIn(JSON.parse(body))) names.add(name)
  arrived.set(path, names)
  response.writeHead(200, { "content-type": "application/json" }).end("{}")
})
collector.listen(0, "127.0.0.1")
await once(collector, "listening")
const address = collector.address()
const port = typeof address === "object" && address !== null ? address.port : 0

// A program adds only this: the address of its collector, and its own name.
const telemetry = Otlp.layerJson({
  baseUrl: `http://127.0.0.1:${port}`,
  resource: { serviceName: "my-agent" },
}).pipe(Layer.provide(FetchHttpClient.layer))

const program = Effect.gen(function* () {
  const session = yield* (yield* Sandboxes).session("user-42")
  const sandbox = yield* Sandboxes.scoped(session)
  yield* sandbox.run("echo a-secret-word")
  yield* Effect.logInfo("The agent is done", { sandbox: sandbox.name })
}).pipe(Effect.withSpan("agent"))

const driver = process.env["CORDON_DRIVER"] === "memory" ? memory() : docker()
await Effect.runPromise(
  program.pipe(
    Effect.scoped,
    Effect.provide(Sandboxes.layer().pipe(Layer.provide(driver), Layer.provideMerge(telemetry))),
  ),
)
collector.close()

for (const path of [...arrived.keys()].sort()) {
  const names = [...(arrived.get(path) ?? [])].filter((name) =>
    /^(Sandbox|cordon|agent)/.test(name),
  )
  console.log(`${path} ${names.sort().join(" ")}`.trim())
}
console.log(`contents sent: ${bodies.join().includes("a-secret-word") ? "yes" : "none"}`)

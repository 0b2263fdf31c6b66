import { Sandboxes, type SandboxSession } from "@cordon/core"
import * as docker from "@cordon/driver-docker"
import { assert, describe } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { noGvisor } from "../support/docker.ts"
import { freshSessionId } from "../support/sandbox.ts"
import { image, needing } from "./support.ts"
import { serving } from "./world.ts"

// What a cloud serves credentials at, but for the address: this machine may be in a cloud itself.
const linkLocal = "169.254.77.77"

const withSessions = <A, E>(
  options: Parameters<typeof docker.layer>[0],
  f: (session: SandboxSession) => Effect.Effect<A, E>,
) =>
  Effect.gen(function* () {
    const sandboxes = yield* Sandboxes
    return yield* f(yield* sandboxes.session(freshSessionId()))
  }).pipe(
    Effect.provide(Sandboxes.layer({ image }).pipe(Layer.provide(docker.layer(options)))),
    Effect.scoped,
  )

const both = ["runc", "gvisor"] as const

const reached = "timeout 20 bash -c 'echo >/dev/tcp/$0/80' 2>/dev/null && echo reached; true"

describe("link-local addresses, where clouds serve metadata", () => {
  // Needs a machine whose network may be changed, as CI's.
  needing(
    "CORDON_TEST_PROXY_IMAGE",
    "are out of reach from a sandbox that reaches other addresses",
    () =>
      Effect.gen(function* () {
        yield* serving(linkLocal, "169.254.77.78")
        yield* serving("10.251.7.2", "10.251.7.1")
        const reaching = (session: SandboxSession, runtime: "runc" | "gvisor") =>
          Effect.gen(function* () {
            const sandbox = yield* session.create({ runtime })
            const to = (address: string) =>
              Effect.map(
                sandbox.run(["sh", "-c", reached.replace("$0", address)]),
                ({ stdout }) => stdout,
              )
            const look = Effect.all([to(linkLocal), to("10.251.7.2")])
            const before = yield* look
            yield* sandbox.stop
            yield* sandbox.start
            assert.deepStrictEqual(yield* look, before)
            return { sandbox, before }
          })
        const allowed = yield* withSessions({ linkLocal: true }, (session) =>
          reaching(session, "runc"),
        )
        assert.deepStrictEqual(allowed.before, ["reached\n", "reached\n"])
        yield* withSessions({ warmPool: 1 }, (session) =>
          Effect.gen(function* () {
            for (const runtime of noGvisor === undefined ? both : both.slice(0, 1)) {
              const { sandbox, before } = yield* reaching(session, runtime)
              assert.deepStrictEqual(before, ["", "reached\n"])
              // The address itself is the sandbox's own.
              const own =
                "import socket; s = socket.socket(); s.bind(('169.254.169.254', 8099)); s.listen(); c = socket.socket(); c.connect(('169.254.169.254', 8099)); print(s.accept()[1][0])"
              const { stdout } = yield* sandbox.run(["python3", "-c", own], { user: "0" })
              assert.strictEqual(stdout, "169.254.169.254\n")
              // There is no way out over IPv6, where fd00:ec2::254 would be.
              const routes = "cat /proc/net/ipv6_route 2>/dev/null | grep -v ' lo$'; true"
              assert.strictEqual((yield* sandbox.run(routes)).stdout, "")
            }
          }),
        )
      }).pipe(Effect.scoped),
    180_000,
  )
})

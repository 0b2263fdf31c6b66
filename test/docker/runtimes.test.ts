import { type Runtime, type Sandbox, Sandboxes } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { assert, describe } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { secondEngine } from "../support/daemon.ts"
import { freshSessionId } from "../support/sandbox.ts"
import { needing } from "./support.ts"

/** The session of a program on an engine of its own, which is given the image that it needs. */
const onRuntimes = Effect.fnUntraced(function* (
  image: string,
  runtimes: Readonly<Record<string, { path: string; runtimeArgs?: ReadonlyArray<string> }>>,
) {
  const second = yield* secondEngine({ runtimes }, [image])
  const layer = Sandboxes.layer({ image, network: "none", limits: { memory: "64MiB" } }).pipe(
    Layer.provide(docker({ host: second.host })),
  )
  const context = yield* Layer.build(layer)
  const sandboxes = yield* Effect.provideContext(Effect.service(Sandboxes), context)
  const session = yield* sandboxes.session(freshSessionId())
  /** What the engine was asked to run a sandbox with. */
  const askedFor = ({ info }: Sandbox) =>
    Effect.promise(
      async () => (await second.engine.getContainer(info.instanceId).inspect()).HostConfig.Runtime,
    )
  return { sandboxes, session, askedFor }
})

// Neither Kata nor Sysbox can run here. What is tested is what the engine is asked for: under their
// names it has runc.
const runc = { path: "runc" }

describe("runtimes that an engine has registered", () => {
  needing(
    "CORDON_TEST_BUSYBOX_IMAGE",
    "are requested by the names that the engine registered",
    (image) =>
      Effect.scoped(
        Effect.gen(function* () {
          const runtimes = { "kata-runtime": runc, "sysbox-runc": runc }
          const { sandboxes, session, askedFor } = yield* onRuntimes(image, runtimes)
          const offered = (yield* sandboxes.capabilities).runtimes.map(({ runtime }) => runtime)
          assert.sameMembers([...offered], ["runc", "sysbox-runc", "kata"])
          const names: ReadonlyArray<readonly [Runtime | "strongest", Runtime, string]> = [
            ["kata", "kata", "kata-runtime"],
            ["sysbox-runc", "sysbox-runc", "sysbox-runc"],
            ["runc", "runc", "runc"],
            ["strongest", "kata", "kata-runtime"],
          ]
          for (const [choice, runtime, name] of names) {
            const sandbox = yield* session.create({ runtime: choice })
            assert.strictEqual(sandbox.info.runtime, runtime)
            assert.strictEqual((yield* sandbox.inspect).runtime, runtime)
            assert.strictEqual(yield* askedFor(sandbox), name)
            yield* sandbox.remove
          }
          const error = yield* Effect.flip(session.create({ runtime: "gvisor" }))
          assert.strictEqual(error._tag, "RuntimeUnavailable")
          assert.match(error.message, /runc, sysbox-runc, kata/)
        }),
      ),
  )

  needing(
    "CORDON_TEST_BUSYBOX_IMAGE",
    "refuse a stop that would lose the sandbox's files",
    (image) =>
      Effect.scoped(
        Effect.gen(function* () {
          // As `runsc install` registers it: what is written is gone when the sandbox ends.
          const runtimes = { runsc: runc, "sysbox-runc": runc }
          const { sandboxes, session, askedFor } = yield* onRuntimes(image, runtimes)
          const { runtimes: offers, caveats } = yield* sandboxes.capabilities
          assert.isFalse(offers.find(({ runtime }) => runtime === "gvisor")?.keepsFiles)
          assert.isTrue(offers.find(({ runtime }) => runtime === "runc")?.keepsFiles)
          assert.isTrue(caveats.some((caveat) => /--overlay2=none/.test(caveat)))
          const sandbox = yield* session.create({ runtime: "strongest" })
          assert.strictEqual(yield* askedFor(sandbox), "runsc")
          assert.strictEqual(sandbox.info.lease.idleTimeout, sandbox.info.lease.removeTimeout)
          const error = yield* Effect.flip(sandbox.stop)
          assert.match(error.message, /loses a sandbox's files .*--overlay2=none/)
          assert.strictEqual((yield* sandbox.inspect).status, "running")
          yield* sandbox.remove
        }),
      ),
  )
})

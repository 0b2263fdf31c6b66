import {
  collectOutput,
  ExecEvent,
  SandboxDriver,
  Sandboxes,
  type SandboxInfo,
  sessionFilesMemory,
} from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { makeToolset } from "@cordon/tools"
import { Effect, Layer, ManagedRuntime, Stream } from "effect"
import type { Case } from "../harness/Case.ts"

const commands = 200
const exit = ExecEvent.Exit({ exitCode: 0, timedOut: false, oomKilled: false, restarted: false })
const answer = Stream.make(ExecEvent.Stdout({ bytes: new TextEncoder().encode("hello\n") }), exit)

/** A driver whose commands end at once: the measured time is Cordon's own. */
const instant = Layer.effect(
  SandboxDriver,
  Effect.map(SandboxDriver, (driver) => SandboxDriver.of({ ...driver, exec: () => answer })),
).pipe(Layer.provide(memory()))

export const overhead: Case = {
  name: "overhead",
  title: "What our layers add to a command",
  about:
    "Over a driver that answers at once, milliseconds for each command: the driver called directly; `cordon`, the sessions, leases, checks and output caps above it; `cordon-tools`, the `sandbox_exec` tool above that, which reads a model's input and words its answer.",
  unit: "ms",
  rounds: 15,
  warmUp: 3,
  targets: [
    { peer: "driver", more: 0.5 },
    { subject: "cordon-tools", peer: "driver", more: 0.5 },
  ],
  subjects: async (_, stack) => {
    const runtime = ManagedRuntime.make(
      Sandboxes.layer().pipe(Layer.provideMerge(instant), Layer.provideMerge(sessionFilesMemory)),
    )
    stack.defer(() => runtime.dispose())
    const { driver, sandbox, toolset } = await runtime.runPromise(
      Effect.gen(function* () {
        const session = yield* (yield* Sandboxes).session("bench")
        const sandbox = yield* session.create({ name: "box" })
        const toolset = yield* makeToolset({ sessionId: "bench" })
        return { driver: yield* SandboxDriver, sandbox, toolset }
      }),
    )
    const { id }: SandboxInfo = sandbox.info
    const subject = (name: string, once: Effect.Effect<unknown, unknown>) => ({
      name,
      run: async ({ record }: { record: (value: number) => void }) => {
        const start = performance.now()
        await runtime.runPromise(Effect.repeat(once, { times: commands - 1 }))
        record((performance.now() - start) / commands)
      },
    })
    return [
      subject(
        "driver",
        Effect.suspend(() => collectOutput(driver.exec(id, { command: "echo hello" }), 1024)),
      ),
      subject(
        "cordon",
        Effect.suspend(() => sandbox.exec("echo hello")),
      ),
      subject(
        "cordon-tools",
        Effect.suspend(() =>
          toolset.byName.sandbox_exec.handle({ sandbox: "box", command: "echo hello" }),
        ),
      ),
    ]
  },
}

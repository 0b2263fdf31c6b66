import { layerSandboxes } from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { Toolkit } from "effect/ai"
import {
  ExtraSandboxToolkit,
  layerExtraSandboxToolkit,
  layerSandboxToolkit,
  SandboxToolkit,
} from "../src/adapters/effect-ai.ts"
import { allExtraTools } from "../src/extra.ts"

const { sandbox_edit_file, sandbox_shell } = ExtraSandboxToolkit.tools

describe("the toolkit of the optional tools", () => {
  it("contains all of them", () => {
    assert.sameMembers(Object.keys(ExtraSandboxToolkit.tools), Object.keys(allExtraTools))
  })

  it.effect("can be reduced, and runs beside the standard tools in the same session", () =>
    Effect.gen(function* () {
      const toolkit = yield* Toolkit.merge(
        SandboxToolkit,
        Toolkit.make(sandbox_edit_file, sandbox_shell),
      )
      const last = <A, E, R>(results: Stream.Stream<A, E, R>) =>
        Effect.map(Stream.runCollect(results), (all) => all.at(-1))
      const call = <E, R>(
        results: Effect.Effect<Stream.Stream<{ readonly result: unknown }, E, R>, E, R>,
      ) => Effect.flatMap(results, last)
      yield* call(toolkit.handle("sandbox_create", { name: "box" }))
      const file = { sandbox: "box", path: "a" }
      yield* call(toolkit.handle("sandbox_write_file", { ...file, content: "one" }))
      const edit = { ...file, old_string: "one", new_string: "two" }
      yield* call(toolkit.handle("sandbox_edit_file", edit))
      yield* call(toolkit.handle("sandbox_shell", { sandbox: "box", command: "X=$(cat a)" }))
      const told = yield* call(
        toolkit.handle("sandbox_shell", { sandbox: "box", command: "echo $X" }),
      )
      assert.deepInclude(told?.result, { stdout: "two\n" })
    }).pipe(
      Effect.provide(
        Layer.mergeAll(
          layerSandboxToolkit({ sessionId: "a" }),
          layerExtraSandboxToolkit({ sessionId: "a" }),
        ).pipe(Layer.provide(layerSandboxes({ driver: memory() }))),
      ),
    ),
  )
})

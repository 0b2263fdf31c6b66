import { type Feature, Sandboxes } from "@cordon/core"
import { assert, describe } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { tagOf } from "../../support/effects.ts"
import { freshSession } from "../../support/sandbox.ts"
import type { FeatureStage } from "./stage.ts"

/** Which features a driver has. */
export const featuresContract = ({ check, lacks }: FeatureStage) =>
  describe("features", () => {
    check("a driver lists the features that it has, and refuses the others with Unsupported", () =>
      Effect.gen(function* () {
        const { features } = yield* (yield* Sandboxes).capabilities
        const session = yield* freshSession
        const { processes, ...sandbox } = yield* Sandboxes.scoped(session)
        // Allow-lists of destinations have tests of their own.
        const calls: Readonly<
          Record<
            Exclude<Feature, "egress">,
            ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>>
          >
        > = {
          processes: [processes.start("true"), processes.list, processes.get("x")],
          stats: [sandbox.stats, Stream.runDrain(sandbox.watchStats())],
          ports: [
            sandbox.ports.list,
            sandbox.ports.wait(80),
            Effect.scoped(sandbox.ports.expose(80)),
          ],
          terminals: [Effect.scoped(sandbox.terminal())],
          snapshots: [
            sandbox.snapshot(),
            sandbox.fork(),
            session.snapshots.list,
            session.snapshots.remove("x"),
            session.create({ snapshot: "x" }),
          ],
          pause: [sandbox.pause, sandbox.resume],
          git: [sandbox.git.clone("https://example.com/project.git")],
        }
        for (const [feature, calls_] of Object.entries(calls)) {
          const lacking = !features.some((listed) => listed === feature)
          assert.strictEqual(lacking, feature in lacks, `${feature} is listed, or told why not`)
          for (const call of lacking ? calls_ : []) {
            assert.strictEqual(yield* tagOf(call), "Unsupported")
          }
        }
      }),
    )
  })

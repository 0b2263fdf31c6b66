import { Sandboxes, type SettingsInput, sessionFilesMemory } from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { createTools, makeToolset, sandboxTools } from "../src/index.ts"

const descriptionsOf = (settings: SettingsInput) =>
  makeToolset({ sessionId: "ceilings" }).pipe(
    Effect.map(({ tools }) => tools.map(({ description }) => description)),
    Effect.provide(
      Layer.merge(Layer.provide(Sandboxes.layer(settings), memory()), sessionFilesMemory),
    ),
  )

describe("the description of sandbox_create", () => {
  it.live("tells a model the default and maximum limits", () =>
    Effect.gen(function* () {
      const [create = "", ...others] = yield* descriptionsOf({
        image: "python:3.12",
        runtime: "gvisor",
        network: "none",
        limits: { memory: "256MiB", cpus: 0.5, pids: 64 },
        allow: { limits: { memory: "1GiB" }, networks: ["internal"], images: ["node"] },
      })
      assert.include(
        create,
        'Default here: image python:3.12, runtime gvisor, network none, 256 MiB of memory, 0.5 cores, 64 processes. At most: runtime gvisor, kata; network internal, none; 1 GiB of memory, 0.5 cores, 64 processes; image "python:3.12", "node". More is refused.',
      )
      assert.isTrue(create.startsWith(sandboxTools.sandbox_create.description))
      for (const description of others) assert.notInclude(description, "More is refused")
    }),
  )

  it("is the same for programs without Effect, which get invalid settings refused at once", async () => {
    const told = async (settings: SettingsInput) => {
      await using toolset = createTools({ driver: memory(), ...settings })
      return toolset.byName.sandbox_create.description
    }
    assert.include(await told({ limits: { pids: 64 } }), "1 core, 64 processes; image")
    const error = await told({ limits: { pids: -1 } }).catch((error: unknown) => error)
    assert.include(error, { _tag: "InvalidLimits", limit: "pids" })
  })

  it.live("names the strongest runtime and the public registries by default", () =>
    Effect.gen(function* () {
      const [create = ""] = yield* descriptionsOf({ runtime: "strongest" })
      assert.include(create, "At most: runtime strongest; network bridge, internal, none; 2 GiB")
      assert.include(create, "images of docker.io, ghcr.io")
    }),
  )
})

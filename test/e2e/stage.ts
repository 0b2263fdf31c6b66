import {
  type CordonError,
  type InvalidInput,
  type SandboxDriver,
  Sandboxes,
  SessionFiles,
  type SettingsInput,
  sessionFilesMemory,
} from "@cordon/core"
import * as docker from "@cordon/driver-docker"
import * as memory from "@cordon/driver-memory"
import { makeToolset, type ToolName, type ToolResult, type Toolset } from "@cordon/tools"
import { assert, describe, it, layer } from "@effect/vitest"
import type Dockerode from "dockerode"
import { Context, Effect, Layer, Stream } from "effect"
import { ownedBy } from "../docker/support.ts"
import { noEngine } from "../support/docker.ts"
import { freshSessionId } from "../support/sandbox.ts"

/** Two sessions' tools on one driver. */
export class Stage extends Context.Service<
  Stage,
  { readonly a: Toolset; readonly b: Toolset; readonly files: SessionFiles["Service"] }
>()("test/Stage") {
  static readonly layer = (settings: SettingsInput) =>
    Layer.effect(
      Stage,
      Effect.gen(function* () {
        return {
          a: yield* makeToolset({ sessionId: freshSessionId() }),
          b: yield* makeToolset({ sessionId: freshSessionId() }),
          files: yield* SessionFiles,
        }
      }),
    ).pipe(
      Layer.provide(
        Sandboxes.layer({ image: process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04", ...settings }),
      ),
      Layer.provide(sessionFilesMemory),
    )
}

export type DriverName = "memory" | "docker"

interface StageDriver {
  readonly kind: DriverName
  readonly layer: Layer.Layer<SandboxDriver, CordonError | InvalidInput>
  readonly missing: string | undefined
  /** Sees what the driver's engine really holds. */
  readonly client?: Dockerode | undefined
}

const drivers = new Map<string, StageDriver>([
  ["memory", { kind: "memory", layer: memory.layer(), missing: undefined }],
  ["docker", { kind: "docker", layer: docker.layer(), missing: noEngine }],
])

/** For a file with a driver of its own: the tests that it then imports run on that one only. */
export const runOnlyOn = (name: string, driver: StageDriver) => {
  drivers.clear()
  drivers.set(name, driver)
}

/** Everything that a session owns on the engine that the tests run on, by kind. */
export const owned = (sandboxId: string) => {
  const [client] = [...drivers.values()].flatMap((driver) => driver.client ?? [])
  return Effect.promise(() => ownedBy(sandboxId, client))
}

type Test = (
  name: string,
  run: (stage: Stage["Service"]) => Effect.Effect<void>,
  skipped?: string,
) => void

/** The same tests on each driver; where one is missing each test says why it is skipped. */
export const onEachDriver = (
  name: string,
  settings: SettingsInput,
  suite: (test: Test, driver: DriverName) => void,
) => {
  for (const [driverName, { kind, layer: driverLayer, missing }] of drivers) {
    const title = `${name} on ${driverName}`
    const skip = (title: string, reason: string) => it(title, (ctx) => ctx.skip(reason))
    if (missing !== undefined) {
      describe(title, () => suite((title) => skip(title, missing), kind))
      continue
    }
    const stage = Stage.layer(settings).pipe(Layer.provide(driverLayer))
    layer(stage, { excludeTestServices: true })(title, (it) => {
      suite((title, run, skipped) => {
        if (skipped !== undefined) return skip(title, skipped)
        it.effect(title, () => Effect.flatMap(Stage, run))
      }, kind)
    })
  }
}

export const call = (tools: Toolset, name: ToolName, input: unknown) =>
  tools.byName[name].handle(input)

/** The output and the text of a call that must succeed. */
export const ok = (tools: Toolset, name: ToolName, input: unknown) =>
  Effect.map(call(tools, name, input), (result) => {
    if (!result.ok) return assert.fail(`${name} ${JSON.stringify(input)}: ${result.text}`)
    const output: Record<string, unknown> & { readonly text: string } = {
      ...result.output,
      text: result.text,
    }
    return output
  })

/** What a failed call tells; it must be fit for a model. */
export const assertFailed = (result: ToolResult, tag: string, message: RegExp, of = "") => {
  if (result.ok) return assert.fail(`${of} succeeded: ${result.text.slice(0, 200)}`)
  assert.strictEqual(result.error.tag, tag, `${of}: ${result.text}`)
  assert.match(result.error.message, message, of)
  assert.strictEqual(result.text, `Error: ${result.error.message}`)
  assert.notMatch(result.text, /\[object Object\]|undefined|\n|\bat .+:\d+:\d+|node_modules/, of)
  assert.isBelow(result.text.length, 1000, of)
}

export const put = (files: SessionFiles["Service"], path: string, content: string | Uint8Array) =>
  files
    .write(
      path,
      Stream.succeed(typeof content === "string" ? new TextEncoder().encode(content) : content),
    )
    .pipe(Effect.orDie)

export const textAt = (files: SessionFiles["Service"], path: string) =>
  Effect.map(Effect.orDie(Stream.runCollect(files.read(path))), (chunks) =>
    Buffer.concat(chunks).toString("utf8"),
  )

/** All that session storage holds, by path. */
export const stored = (files: SessionFiles["Service"]) =>
  Effect.orDie(
    Effect.map(Stream.runCollect(files.walk("")), (entries) => entries.map(({ path }) => path)),
  )

import { layerSandboxes } from "@cordon/core"
import { makeToolset, type Toolset } from "@cordon/tools"
import { layerSandboxToolkit } from "@cordon/tools/effect-ai"
import { Context, Effect, Layer, ManagedRuntime, Stream } from "effect"
import { LanguageModel, type Prompt } from "effect/ai"
import { agent } from "../../examples/frameworks/effect-ai.ts"
import { nextCalls, prompt, type Script, type Seen } from "./script.ts"
import { frameworkSuite } from "./suite.ts"

const seenIn = (prompt: Prompt.Prompt): ReadonlyArray<Seen> =>
  prompt.content.flatMap((message) =>
    message.role !== "tool"
      ? []
      : message.content.flatMap((part) => {
          if (part.type !== "tool-result") return []
          const text = part.modelOutput?.map((part) => (part.type === "text" ? part.text : ""))
          return [
            {
              id: part.id,
              text: text?.join("") ?? JSON.stringify(part.result),
              failed: part.isFailure,
            },
          ]
        }),
  )

const scriptedModel = (script: Script) =>
  LanguageModel.make({
    generateText: ({ prompt }) =>
      Effect.sync(() => {
        const calls = nextCalls(script, seenIn(prompt))
        return calls.length === 0
          ? [{ type: "text", text: script.text }]
          : calls.map(({ id, name, input }) => ({
              type: "tool-call" as const,
              id,
              name,
              params: input,
            }))
      }),
    streamText: () => Stream.die("not scripted"),
  })

const converse = Effect.fnUntraced(function* (script: Script) {
  const model = yield* scriptedModel(script)
  return yield* Effect.provideService(agent(prompt), LanguageModel.LanguageModel, model)
})

class Tools extends Context.Service<Tools, Toolset>()("test/Tools") {}

frameworkSuite("Effect's AI toolkit", (options) => {
  const sessionId = "effect-ai"
  const runtime = ManagedRuntime.make(
    Layer.mergeAll(
      layerSandboxToolkit({ sessionId }),
      Layer.effect(Tools, makeToolset({ sessionId })),
    ).pipe(Layer.provide(layerSandboxes(options))),
  )
  return {
    run: (script, signal) => runtime.runPromise(converse(script), { signal }),
    call: (name, input) =>
      runtime.runPromise(Effect.flatMap(Tools, (tools) => tools.byName[name].handle(input))),
    // Interrupting waits for what it interrupts.
    running: () => 0,
    close: () => runtime.dispose(),
  }
})

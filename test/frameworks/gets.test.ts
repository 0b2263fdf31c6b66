/** What a model gets beyond text, and what people are asked and told, through the real frameworks. */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { layerSandboxes } from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { createTools } from "@cordon/tools"
import { aiSdkToolApproval, aiSdkTools } from "@cordon/tools/ai-sdk"
import {
  anthropicRunnableTools,
  anthropicToolResults,
  anthropicTools,
} from "@cordon/tools/anthropic"
import { layerSandboxToolkit, SandboxToolkit } from "@cordon/tools/effect-ai"
import { langchainInterruptOn, langchainTools } from "@cordon/tools/langchain"
import { mastraTools } from "@cordon/tools/mastra"
import { openaiRunnerFunctions, openaiToolOutputs, openaiTools } from "@cordon/tools/openai"
import { openaiAgentsTools } from "@cordon/tools/openai-agents"
import { assert, describe, it } from "@effect/vitest"
import { ToolMessage } from "@langchain/core/messages"
import { Agent as MastraAgent } from "@mastra/core/agent"
import type { MastraModelConfig } from "@mastra/core/llm"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js"
import { Agent, type Model, run, setTracingDisabled, Usage } from "@openai/agents"
import { generateText, isStepCount, simulateReadableStream, streamText } from "ai"
import { MockLanguageModelV4 } from "ai/test"
import { Effect, Layer, Stream } from "effect"
import { LanguageModel, type Prompt } from "effect/ai"
import { pictures } from "../../packages/tools/test/pictures.ts"
import { serverProcess } from "../mcp/clients.ts"

setTracingDisabled(true)

const png = pictures.png.toString("base64")
const look = { sandbox: "box", path: "p.png" }
const said = /p\.png: image\/png, \d+ bytes/

/** A session with a sandbox that holds a picture. */
const opened = async () => {
  const toolset = createTools({ driver: memory() })
  const { sandbox_create, sandbox_write_file } = toolset.byName
  await sandbox_create.execute({ name: "box" })
  await sandbox_write_file.execute({ ...look, encoding: "base64", content: png })
  return toolset
}

const usage = {
  inputTokens: { total: 0, noCache: 0, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 0, text: 0, reasoning: 0 },
}

/** A model that calls one tool, and then hears what came of it. */
const callsOnce = (toolName: string, input: object) => {
  const call = {
    type: "tool-call" as const,
    toolCallId: "1",
    toolName,
    input: JSON.stringify(input),
  }
  const answer = (first: boolean) => ({
    content: [first ? call : { type: "text" as const, text: "seen" }],
    finishReason: { unified: first ? ("tool-calls" as const) : ("stop" as const), raw: undefined },
    usage,
    warnings: [],
  })
  const model: MockLanguageModelV4 = new MockLanguageModelV4({
    doGenerate: async () => answer(model.doGenerateCalls.length === 1),
    doStream: async () => {
      const { content, finishReason } = answer(model.doStreamCalls.length === 1)
      const [part] = content
      const chunks = [
        { type: "stream-start" as const, warnings: [] },
        ...(part?.type === "tool-call" ? [part] : []),
        { type: "finish" as const, finishReason, usage },
      ]
      return { stream: simulateReadableStream({ chunks }) }
    },
  })
  return model
}

/** What a mock was told of its call. */
const resultsIn = (prompt: MockLanguageModelV4["doGenerateCalls"][number]["prompt"] = []) =>
  prompt.flatMap((message) =>
    message.role === "tool"
      ? message.content.flatMap((part) => (part.type === "tool-result" ? [part.output] : []))
      : [],
  )

describe("the AI SDK", () => {
  it("shows the model a picture", async () => {
    await using toolset = await opened()
    const model = callsOnce("sandbox_read_file", look)
    const tools = aiSdkTools(toolset)
    await generateText({ model, tools, stopWhen: isStepCount(3), prompt: "look" })
    const [output] = resultsIn(model.doGenerateCalls[1]?.prompt)
    assert.strictEqual(output?.type, "content")
    const value = output?.type === "content" ? output.value : []
    assert.match(value[0]?.type === "text" ? value[0].text : "", said)
    const picture = value[1]
    assert.isTrue(picture?.type === "file" && picture.mediaType === "image/png")
    assert.include(JSON.stringify(picture), png)
  })

  it("streams the progress of a call", async () => {
    await using toolset = await opened()
    const model = callsOnce("sandbox_exec", { sandbox: "box", command: "echo working; sleep 1" })
    const { fullStream } = streamText({
      model,
      tools: aiSdkTools(toolset, { progress: true }),
      stopWhen: isStepCount(2),
      prompt: "work",
    })
    const seen: Array<unknown> = []
    for await (const part of fullStream) {
      if (part.type !== "tool-result") continue
      if (part.dynamic === true || part.toolName !== "sandbox_exec") continue
      seen.push([part.preliminary ?? false, part.output.text])
    }
    assert.deepStrictEqual(seen.at(-1), [false, "working"])
    assert.deepStrictEqual(seen[0], [true, "working"])
  })

  it("asks the user before a destructive call", async () => {
    await using toolset = await opened()
    const input = { sandbox: "box", action: "remove" }
    const { content } = await generateText({
      model: callsOnce("sandbox_manage", input),
      tools: aiSdkTools(toolset, { strict: true }),
      toolApproval: aiSdkToolApproval(toolset, "destructive"),
      prompt: "remove it",
    })
    assert.include(
      content.map(({ type }) => type),
      "tool-approval-request",
    )
    const { text } = await toolset.byName.sandbox_list.execute({})
    assert.match(text, /^box: running/)
    const approval = aiSdkToolApproval(toolset, ({ name }) => name === "sandbox_exec")
    const asked = approval["sandbox_exec"]
    assert.strictEqual(typeof asked === "function" && (await asked({})), "user-approval")
    const other = approval["sandbox_list"]
    assert.isUndefined(typeof other === "function" ? await other({}) : "")
  })
})

describe("OpenAI's API", () => {
  it("shows the model a picture, and gets strict schemas", async () => {
    await using toolset = await opened()
    const call = {
      type: "function_call",
      id: "f",
      call_id: "c",
      name: "sandbox_read_file",
      arguments: JSON.stringify({ ...look, encoding: null, offset: null, length: null }),
      status: "completed",
    } as const
    const [output] = await openaiToolOutputs(toolset, [call])
    const image = { type: "input_image", image_url: `data:image/png;base64,${png}` }
    assert.include(JSON.stringify(output?.output), JSON.stringify(image))
    const runner = openaiRunnerFunctions(toolset).find(
      ({ tool }) => tool.name === "sandbox_read_file",
    )
    assert.include(JSON.stringify(await runner?.execute(look)), JSON.stringify(image))
    for (const { strict, parameters } of openaiTools(toolset)) {
      assert.isTrue(strict)
      const { required, properties } = { required: [], properties: {}, ...parameters }
      assert.deepStrictEqual(required, Object.keys(properties))
    }
    assert.isFalse(openaiTools(toolset, { strict: false })[0]?.strict)
  })
})

describe("the OpenAI Agents SDK", () => {
  /** A model that calls one tool, and keeps what it is told. */
  const modelOf = (name: string, input: object) => {
    const heard: Array<unknown> = []
    const model: Model = {
      getResponse: async (request) => {
        heard.push(request.input)
        const first = heard.length === 1
        return {
          usage: new Usage(),
          output: [
            first
              ? { type: "function_call", callId: "1", name, arguments: JSON.stringify(input) }
              : {
                  type: "message",
                  role: "assistant",
                  status: "completed",
                  content: [{ type: "output_text", text: "seen" }],
                },
          ],
        }
      },
      getStreamedResponse: () => {
        throw new Error("not scripted")
      },
    }
    return { model, heard }
  }

  it("shows the model a picture", async () => {
    await using toolset = await opened()
    const { model, heard } = modelOf("sandbox_read_file", { ...look, encoding: null })
    const agent = new Agent({ name: "A", model, tools: openaiAgentsTools(toolset) })
    assert.strictEqual((await run(agent, "look")).finalOutput, "seen")
    const told = JSON.stringify(heard[1])
    assert.match(told, said)
    assert.include(told, png)
    assert.match(told, /"type":"(?:input_)?image"/)
  })

  it("interrupts the run for a required approval", async () => {
    await using toolset = await opened()
    for (const [approval, asks] of [
      ["destructive", 1],
      [() => false, 0],
    ] as const) {
      const { model } = modelOf("sandbox_exec", { sandbox: "box", command: "true" })
      const tools = openaiAgentsTools(toolset, { approval })
      const { interruptions } = await run(new Agent({ name: "A", model, tools }), "go")
      assert.strictEqual(interruptions.length, asks)
    }
  })
})

describe("Anthropic's API", () => {
  it("shows the model a picture, and can get strict schemas", async () => {
    await using toolset = await opened()
    const use = {
      type: "tool_use",
      id: "t",
      name: "sandbox_read_file",
      input: { ...look, encoding: null },
      caller: { type: "direct" },
    } as const
    const image = {
      type: "image",
      source: { type: "base64", media_type: "image/png", data: png },
    }
    const [result] = await anthropicToolResults(toolset, [use])
    assert.include(JSON.stringify(result?.content), JSON.stringify(image))
    const runnable = anthropicRunnableTools(toolset).find(
      (tool) => "name" in tool && tool.name === "sandbox_read_file",
    )
    assert.include(JSON.stringify(await runnable?.run(look)), JSON.stringify(image))
    assert.isTrue(anthropicTools(toolset, { strict: true })[0]?.strict)
  })

  it("reports the progress of calls", async () => {
    await using toolset = await opened()
    const input = { sandbox: "box", command: "echo working" }
    const caller = { type: "direct" } as const
    const use = { type: "tool_use", id: "t", name: "sandbox_exec", input, caller } as const
    const told: Array<unknown> = []
    await anthropicToolResults(toolset, [use], { onProgress: (step) => told.push(step) })
    assert.deepStrictEqual(told, [{ callId: "t", message: "working" }])
  })
})

describe("LangChain", () => {
  const toolOf = (toolset: Awaited<ReturnType<typeof opened>>, name: string) =>
    langchainTools(toolset).find((tool) => tool.name === name) ?? assert.fail(name)

  it("shows the model a picture, and accepts null for an omitted field", async () => {
    await using toolset = await opened()
    const args = { ...look, encoding: null, start_line: null }
    const call = { type: "tool_call", id: "1", name: "sandbox_read_file", args } as const
    const message = await toolOf(toolset, "sandbox_read_file").invoke(call)
    assert.isTrue(ToolMessage.isInstance(message))
    const blocks = message.contentBlocks
    assert.deepInclude(blocks[1], { type: "image", mimeType: "image/png", data: png })
    assert.match(message.text, said)
  })

  it("reports the progress of a call as tool events", async () => {
    await using toolset = await opened()
    const told: Array<unknown> = []
    const callbacks = [{ handleToolEvent: (chunk: unknown) => void told.push(chunk) }]
    const input = { sandbox: "box", command: "echo working; sleep 1" }
    await toolOf(toolset, "sandbox_exec").invoke(input, { callbacks })
    assert.deepStrictEqual(told[0], { message: "working" })
  })

  it("gets the list of tools that a person has to approve", async () => {
    await using toolset = await opened()
    const interruptOn = langchainInterruptOn(toolset, "destructive")
    assert.isTrue(interruptOn["sandbox_manage"])
    assert.isFalse(interruptOn["sandbox_read_file"])
  })
})

/** Mastra has a copy of the AI SDK's types, which are not quite the same. */
const isMastraModel = (model: unknown): model is MastraModelConfig =>
  model instanceof MockLanguageModelV4

describe("Mastra", () => {
  const agentOf = (
    model: unknown,
    toolset: Awaited<ReturnType<typeof opened>>,
    options: Parameters<typeof mastraTools>[1] = {},
  ) => {
    const tools = mastraTools(toolset, options)
    if (!isMastraModel(model)) throw new Error("Mastra does not take the AI SDK's own mock")
    return new MastraAgent({ id: "a", name: "A", instructions: "", model, tools })
  }

  it("shows the model a picture", async () => {
    await using toolset = await opened()
    const model = callsOnce("sandbox_read_file", look)
    await agentOf(model, toolset).generate("look", { maxSteps: 3 })
    const calls = [...model.doGenerateCalls, ...model.doStreamCalls]
    const told = JSON.stringify(resultsIn(calls[1]?.prompt))
    assert.include(told, png)
    assert.include(told, '"image/png"')
    assert.match(told, said)
  })

  it("writes the progress of a call to the stream", async () => {
    await using toolset = await opened()
    const input = { sandbox: "box", command: "echo working; sleep 1" }
    const agent = agentOf(callsOnce("sandbox_exec", input), toolset)
    const told: Array<string> = []
    for await (const chunk of (await agent.stream("work", { maxSteps: 2 })).fullStream) {
      if (chunk.type === "tool-output") told.push(JSON.stringify(chunk.payload))
    }
    assert.match(told[0] ?? "", /"type":"sandbox-progress","message":"working"/)
  })

  it("waits for a required approval", async () => {
    await using toolset = await opened()
    const input = { sandbox: "box", action: "remove" }
    const agent = agentOf(callsOnce("sandbox_manage", input), toolset, { approval: "destructive" })
    const types: Array<string> = []
    const { fullStream } = await agent.stream("remove it", { maxSteps: 2 })
    for await (const chunk of fullStream) {
      types.push(chunk.type)
      if (chunk.type === "tool-call-approval") break
    }
    assert.include(types, "tool-call-approval")
    assert.match((await toolset.byName.sandbox_list.execute({})).text, /^box: running/)
  })
})

describe("Effect's AI toolkit", () => {
  it("shows the model a picture, and accepts null for an omitted field", async () => {
    const program = Effect.gen(function* () {
      const parts: Array<Prompt.ToolModelOutputPart> = []
      const turns = [
        ["sandbox_create", { name: "box", image: null }],
        ["sandbox_write_file", { ...look, content: png, encoding: "base64", mode: null }],
        ["sandbox_read_file", { ...look, encoding: null }],
      ] as const
      let turn = 0
      const model = yield* LanguageModel.make({
        generateText: () =>
          Effect.sync(() => {
            const [name = "", params = {}] = turns[turn++] ?? []
            return [{ type: "tool-call" as const, id: String(turn), name, params }]
          }),
        streamText: () => Stream.die("not scripted"),
      })
      for (const _ of turns) {
        const { toolResults } = yield* LanguageModel.generateText({
          prompt: "look",
          toolkit: SandboxToolkit,
        }).pipe(Effect.provideService(LanguageModel.LanguageModel, model))
        for (const { isFailure, result, modelOutput = [] } of toolResults) {
          assert.isFalse(isFailure, JSON.stringify(result))
          parts.splice(0, parts.length, ...modelOutput)
        }
      }
      return parts
    })
    const layer = layerSandboxToolkit({ sessionId: "gets" }).pipe(
      Layer.provide(layerSandboxes({ driver: memory() })),
    )
    const [text, picture] = await Effect.runPromise(Effect.provide(program, layer))
    assert.match(text?.type === "text" ? text.text : "", said)
    assert.isTrue(picture?.type === "file" && picture.mediaType === "image/png")
    assert.isTrue(picture?.type === "file" && picture.data === png)
  })
})

describe("an MCP client", () => {
  it("receives a picture, and tools with their annotations", async () => {
    const folder = await mkdtemp(join(tmpdir(), "cordon-gets-"))
    const client = new Client({ name: "test", version: "1" })
    try {
      const server = serverProcess({ driver: "memory", folder })
      await client.connect(new StdioClientTransport({ ...server, stderr: "inherit" }))
      const { tools } = await client.listTools()
      const remove = tools.find(({ name }) => name === "sandbox_manage")
      assert.isTrue(remove?.annotations?.destructiveHint)
      const call = (name: string, input: object) =>
        client.callTool({ name, arguments: { sandbox: "box", ...input } })
      await client.callTool({ name: "sandbox_create", arguments: { name: "box" } })
      await call("sandbox_write_file", { ...look, encoding: "base64", content: png })
      const { content } = await call("sandbox_read_file", look)
      const image = { type: "image", mimeType: "image/png", data: png }
      assert.deepInclude(content, image)
      // All that a client gets may go to its model.
      const ran = await call("sandbox_exec", { command: String.raw`printf '\033[31m1%%\r2%%'` })
      assert.include(JSON.stringify(ran.structuredContent), '"stdout":"2%"')
    } finally {
      await client.close()
      await rm(folder, { recursive: true })
    }
  })
})

import { createSandboxes, InvalidInput, sessionFilesMemoryWith } from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { postgres } from "@cordon/lease-store-postgres"
import { sqlite } from "@cordon/lease-store-sqlite"
import { createMcpServer } from "@cordon/mcp"
import { containerSandboxOptions, createTools } from "@cordon/tools"
import { aiSdkToolApproval, aiSdkTools } from "@cordon/tools/ai-sdk"
import {
  anthropicRunnableTools,
  anthropicToolResults,
  anthropicTools,
} from "@cordon/tools/anthropic"
import { layerSandboxToolkit } from "@cordon/tools/effect-ai"
import { langchainInterruptOn, langchainTools } from "@cordon/tools/langchain"
import { mastraTools } from "@cordon/tools/mastra"
import {
  openaiChatTools,
  openaiRunnerFunctions,
  openaiToolOutputs,
  openaiTools,
} from "@cordon/tools/openai"
import { openaiAgentsTools } from "@cordon/tools/openai-agents"
import { afterAll, assert, describe, it } from "vitest"

/** Anything, as JavaScript takes it for anything. */
const js = (value: unknown): never => value as never

type Case = readonly [call: () => unknown, ...told: ReadonlyArray<string>]

const refused = async (cases: ReadonlyArray<Case>) => {
  for (const [call, ...told] of cases) {
    const error = await Promise.resolve()
      .then(call)
      .then(() => "taken")
      .catch((error: unknown) => error)
    assert.instanceOf(error, InvalidInput, `${call}: ${error}`)
    for (const part of told) assert.include(error.message, part)
    assert.include(`${error.stack}`.split("\n    at ")[1], "factories.test.ts", `${call}`)
  }
}

describe("unknown options are refused by name", () => {
  const driver = memory()
  const server = createMcpServer({ driver })
  const sandboxes = createSandboxes({ driver })
  const tools = createTools({ sandboxes })
  afterAll(async () => {
    await server.close()
    await sandboxes.close()
  })

  it("by createMcpServer at once, like invalid settings", () =>
    refused([
      [() => createMcpServer(js(undefined)), "options of createMcpServer", "but it is nothing"],
      [() => createMcpServer(js({})), "(driver)", "it is required"],
      [() => createMcpServer(js({ driver, idleTimout: 3 })), 'Did you mean "idleTimeout"?'],
      [() => createMcpServer(js({ driver, limits: { memry: 1 } })), "(limits)", '"memory"?'],
      [() => createMcpServer(js({ driver, idleTimeout: "whenever" })), "settings", "idleTimeout"],
      // What belongs to a session is said where it is served.
      [() => createMcpServer(js({ driver, sessionId: "a" })), 'no option "sessionId"'],
      [() => createMcpServer(js({ driver, removeOnClose: true })), 'no option "removeOnClose"'],
    ]))

  it("by http and stdio of an MCP server", () =>
    refused([
      [() => server.http(js({ prot: 3000 })), "options of http", 'Did you mean "port"?'],
      [() => server.http(js({ allowedHost: [] })), 'Did you mean "allowedHosts"?'],
      [() => server.http(js({ port: "80" })), "(port)", "but it is a string"],
      [() => server.http(js(null)), "options of http", "but it is null"],
      [() => server.stdio(js({ sesionId: "a" })), "options of stdio", 'Did you mean "sessionId"?'],
      [() => server.stdio(js({ port: 1 })), 'no option "port"'],
      [() => server.stdio(js({ keep: "yes" })), "(keep)"],
    ]))

  it("by the lease stores, without repeating a password", () =>
    refused([
      [() => sqlite(js({ file: "a.db" })), "options of sqlite()", 'no option "file"', "filename"],
      [() => sqlite(js({})), "(filename)", "it is required"],
      [() => sqlite(js("a.db")), "options of sqlite()", "but it is a string"],
      [() => postgres(js({ uri: "postgres://a" })), 'Did you mean "url"?', "maxConnections"],
      [() => postgres(js({ passwd: "s3cret" })), "options of postgres()", '"password"'],
      [() => postgres(js("postgres://a:s3cret@b/c")), "options of postgres(): Expected object"],
    ]))

  it("by session files, and by the capability's configuration", async () => {
    await refused([[() => sessionFilesMemoryWith(js({ limt: 5 })), 'Did you mean "limit"?']])
    const error = await containerSandboxOptions({ dockerhost: "x" }).catch((error) => error)
    assert.instanceOf(error, InvalidInput)
    assert.include(error.message, "dockerhost")
  })

  it("by createTools, whether it is given a driver, sandboxes or one sandbox", async () => {
    const sandbox = await sandboxes.create()
    await refused([
      [() => createTools(js(undefined)), "options of createTools", "but it is nothing"],
      [() => createTools(js({ driver, idleTimout: 3 })), 'Did you mean "idleTimeout"?'],
      [() => createTools(js({ driver, onToolcall: 3 })), 'Did you mean "onToolCall"?'],
      [() => createTools(js({ driver, onToolCall: 3 })), "(onToolCall)", "a function"],
      [() => createTools(js({ sandboxes, driver })), 'no option "driver"', "sandboxes"],
      [() => createTools(js({ sandboxes, sesionId: "a" })), 'Did you mean "sessionId"?'],
      [() => createTools(js({ sandbox, sessionId: "a" })), 'no option "sessionId"', "onToolCall"],
    ])
  })

  it("by every adapter", () =>
    refused([
      [() => aiSdkTools(tools, js({ progres: true })), "aiSdkTools", 'Did you mean "progress"?'],
      [() => aiSdkTools(tools, js({ strict: "yes" })), "(strict)"],
      [() => aiSdkTools(tools, js(null)), "options of aiSdkTools", "but it is null"],
      [() => aiSdkToolApproval(tools, js("some")), "approval of aiSdkToolApproval", "destructive"],
      [() => anthropicTools(tools, js({ strct: true })), "anthropicTools", '"strict"?'],
      [() => anthropicRunnableTools(tools, js({ a: 1 })), "options of anthropicRunnableTools"],
      [() => anthropicToolResults(tools, [], js({ abortSignal: 1 })), "anthropicToolResults"],
      [() => langchainTools(tools, js({ strct: true })), "langchainTools", '"strict"?'],
      [() => langchainInterruptOn(tools, js(true)), "approval of langchainInterruptOn"],
      [() => mastraTools(tools, js({ aproval: "all" })), "mastraTools", '"approval"?'],
      [() => mastraTools(tools, js({ approval: "every" })), "(approval)"],
      [() => openaiTools(tools, js({ strct: false })), "openaiTools", '"strict"?'],
      [() => openaiRunnerFunctions(tools, js({ a: 1 })), "options of openaiRunnerFunctions"],
      [() => openaiChatTools(tools, js({ a: 1 })), "options of openaiChatTools"],
      [() => openaiToolOutputs(tools, [], js({ onprogress: 1 })), '"onProgress"?'],
      [() => openaiAgentsTools(tools, js({ aproval: "all" })), "openaiAgentsTools", '"approval"?'],
      [() => layerSandboxToolkit(js({ session: "a" })), "layerSandboxToolkit", '"sessionId"?'],
    ]))

  it("but options that are absent or undefined are accepted", () => {
    for (const options of [{}, { strict: undefined, approval: undefined }]) {
      mastraTools(tools, js(options))
    }
    sqlite({ filename: ":memory:" })
    postgres({})
    createTools(js({ sandboxes, sessionId: undefined, onToolCall: undefined }))
  })
})

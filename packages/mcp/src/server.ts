import { readFileSync } from "node:fs"
import {
  type BoundTool,
  containerSandbox,
  type ExtraTool,
  extraInstructions,
  type ObjectSchema,
  type ToolPicture,
  type ToolResult,
} from "@cordon/tools"
import {
  type CallToolResult,
  ProtocolError,
  ProtocolErrorCode,
  Server,
  type Tool,
} from "@modelcontextprotocol/server"
import { Effect, Schema } from "effect"
import { withProgress } from "./progress.ts"

/** Runs a call of a client; aborting the signal interrupts it. */
export type RunCall = (
  call: Effect.Effect<ToolResult>,
  options: { readonly signal: AbortSignal },
) => Promise<ToolResult>

const { version }: { readonly version: string } = JSON.parse(
  readFileSync(new URL("../package.json", import.meta.url), "utf8"),
)

/** A server that offers tools to one connection, or to one request where there are no connections. */
export const makeServer = (
  tools: ReadonlyArray<BoundTool>,
  run: RunCall,
  extra: ReadonlyArray<ExtraTool>,
): Server => {
  const instructions = containerSandbox.instructions + extraInstructions(extra)
  const server = new Server(
    { name: "cordon", title: "Cordon sandboxes", version },
    { capabilities: { tools: {} }, instructions },
  )
  server.setRequestHandler("tools/list", () => ({ tools: tools.map(listed) }))
  server.setRequestHandler("tools/call", async ({ params }, { mcpReq }) => {
    const tool = tools.find(({ name }) => name === params.name)
    if (tool === undefined) {
      const known = tools.map(({ name }) => name).join(", ")
      const message = `There is no tool ${JSON.stringify(params.name)}. The tools are: ${known}`
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, message)
    }
    const { signal, notify, _meta } = mcpReq
    const call = tool.handle(params.arguments ?? {})
    const progressToken = _meta?.progressToken
    if (progressToken === undefined) return told(await run(call, { signal }))
    const tell = (progress: number, message: string) =>
      // A client that is gone is told nothing; what becomes of its call the transport decides.
      Effect.ignore(
        Effect.tryPromise(() =>
          notify({
            method: "notifications/progress",
            params: { progressToken, progress, message },
          }),
        ),
      )
    return told(await run(withProgress(call, tell), { signal }))
  })
  return server
}

const listed = ({
  name,
  title,
  description,
  inputSchema,
  outputSchema,
  annotations,
}: BoundTool): Tool => ({
  name,
  title,
  description,
  inputSchema: asJson(inputSchema),
  outputSchema: asJson(outputSchema),
  annotations: {
    title,
    readOnlyHint: annotations.readOnly,
    destructiveHint: annotations.destructive,
    idempotentHint: annotations.idempotent,
    openWorldHint: annotations.openWorld,
  },
})

const properties = Schema.decodeUnknownSync(Schema.Record(Schema.String, Schema.MutableJson))

/** The SDK's type of a JSON Schema knows that it is JSON; ours leaves that open. */
const asJson = (schema: ObjectSchema) => ({ ...schema, properties: properties(schema.properties) })

const shownPicture = ({ mediaType, data }: ToolPicture) => ({
  type: "image" as const,
  mimeType: mediaType,
  data,
})

const told = (result: ToolResult): CallToolResult => ({
  content: [
    { type: "text", text: result.text },
    ...(result.ok ? (result.pictures ?? []) : []).map(shownPicture),
  ],
  ...(result.ok ? { structuredContent: result.shownOutput ?? result.output } : { isError: true }),
})

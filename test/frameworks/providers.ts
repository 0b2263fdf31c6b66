/**
 * The APIs of OpenAI and Anthropic as far as an agent loop needs them, on loopback: the real SDKs
 * talk to a model that plays a script.
 */
import { createServer } from "node:http"
import { Schema } from "effect"
import { portOf } from "../support/portOf.ts"
import { type ModelCall, nextCalls, type Script, type Seen } from "./script.ts"

const { optionalKey } = Schema

const named = Schema.Struct({ name: Schema.String })

const ResponsesRequest = Schema.Struct({
  tools: Schema.Array(named),
  previous_response_id: optionalKey(Schema.NullOr(Schema.String)),
  input: Schema.Union([
    Schema.String,
    Schema.Array(
      Schema.Struct({
        type: optionalKey(Schema.String),
        call_id: optionalKey(Schema.String),
        output: optionalKey(
          Schema.Union([
            Schema.String,
            Schema.Array(Schema.Struct({ text: optionalKey(Schema.String) })),
          ]),
        ),
      }),
    ),
  ]),
})

const ChatRequest = Schema.Struct({
  tools: Schema.Array(Schema.Struct({ function: named })),
  messages: Schema.Array(
    Schema.Struct({
      role: Schema.String,
      tool_call_id: optionalKey(Schema.String),
      content: optionalKey(Schema.Unknown),
    }),
  ),
})

const MessagesRequest = Schema.Struct({
  // A thread is gone on with by what is new.
  tools: optionalKey(Schema.Array(named)),
  thread: optionalKey(Schema.Struct({ previous_message_id: optionalKey(Schema.String) })),
  messages: Schema.Array(
    Schema.Struct({
      content: Schema.Union([
        Schema.String,
        Schema.Array(
          Schema.Struct({
            type: Schema.String,
            tool_use_id: optionalKey(Schema.String),
            content: optionalKey(Schema.Unknown),
            is_error: optionalKey(Schema.Boolean),
          }),
        ),
      ]),
    }),
  ),
})

const wantsStream = Schema.is(Schema.Struct({ stream: Schema.Literal(true) }))

const textOf = (content: unknown) =>
  typeof content === "string"
    ? content
    : Array.isArray(content)
      ? content.map((part: { readonly text?: string }) => part.text ?? "").join("")
      : ""

/** What a request holds: the results in it, and the response whose conversation it goes on with. */
interface Heard {
  readonly results: ReadonlyArray<Seen>
  readonly after?: string | null | undefined
}

interface Api {
  readonly hear: (body: unknown) => Heard
  readonly answer: (id: string, calls: ReadonlyArray<ModelCall>, text: string) => object
  /** The same as the only event of a stream. */
  readonly chunk?: Api["answer"]
}

const responses: Api = {
  hear: (body) => {
    const { input, previous_response_id } = Schema.decodeUnknownSync(ResponsesRequest)(body)
    const items = typeof input === "string" ? [] : input
    return {
      after: previous_response_id,
      results: items.flatMap(({ type, call_id = "", output }) =>
        type === "function_call_output" ? [{ id: call_id, text: textOf(output) }] : [],
      ),
    }
  },
  answer: (id, calls, text) => ({
    id,
    object: "response",
    created_at: 0,
    status: "completed",
    model: "scripted",
    error: null,
    incomplete_details: null,
    instructions: null,
    metadata: {},
    parallel_tool_calls: true,
    tool_choice: "auto",
    tools: [],
    usage: {
      input_tokens: 0,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: 0,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: 0,
    },
    output:
      calls.length === 0
        ? [
            {
              type: "message",
              id: "msg_end",
              role: "assistant",
              status: "completed",
              content: [{ type: "output_text", text, annotations: [] }],
            },
          ]
        : calls.map(({ id, name, input }) => ({
            type: "function_call",
            id: `fc_${id}`,
            call_id: id,
            name,
            arguments: JSON.stringify(input),
            status: "completed",
          })),
  }),
}

const chat: Api = {
  hear: (body) => ({
    results: Schema.decodeUnknownSync(ChatRequest)(body).messages.flatMap(
      ({ role, tool_call_id = "", content }) =>
        role === "tool" ? [{ id: tool_call_id, text: textOf(content) }] : [],
    ),
  }),
  answer: (id, calls, text) => completion(id, "chat.completion", "message", calls, text),
  // The whole message in one piece.
  chunk: (id, calls, text) => completion(id, "chat.completion.chunk", "delta", calls, text),
}

const completion = (
  id: string,
  object: string,
  said: "message" | "delta",
  calls: ReadonlyArray<ModelCall>,
  text: string,
) => ({
  id,
  object,
  created: 0,
  model: "scripted",
  choices: [
    {
      index: 0,
      logprobs: null,
      finish_reason: calls.length === 0 ? "stop" : "tool_calls",
      [said]:
        calls.length === 0
          ? { role: "assistant", content: text, refusal: null }
          : {
              role: "assistant",
              content: null,
              refusal: null,
              tool_calls: calls.map(({ id, name, input }, index) => ({
                index,
                id,
                type: "function",
                function: { name, arguments: JSON.stringify(input) },
              })),
            },
    },
  ],
})

const messages: Api = {
  hear: (body) => {
    const { messages, thread } = Schema.decodeUnknownSync(MessagesRequest)(body)
    const blocks = messages.flatMap(({ content }) => (typeof content === "string" ? [] : content))
    return {
      after: thread?.previous_message_id,
      results: blocks.flatMap(({ type, tool_use_id = "", content, is_error = false }) =>
        type === "tool_result"
          ? [{ id: tool_use_id, text: textOf(content), failed: is_error }]
          : [],
      ),
    }
  },
  answer: (id, calls, text) => ({
    id,
    type: "message",
    role: "assistant",
    model: "scripted",
    stop_reason: calls.length === 0 ? "end_turn" : "tool_use",
    stop_sequence: null,
    usage: { input_tokens: 0, output_tokens: 0 },
    content:
      calls.length === 0
        ? [{ type: "text", text }]
        : calls.map(({ id, name, input }) => ({ type: "tool_use", id, name, input })),
  }),
}

const apis = new Map<string | undefined, Api>([
  ["/v1/responses", responses],
  ["/v1/chat/completions", chat],
  ["/v1/messages", messages],
])

/** Runs a program against a provider that plays the script; at `origin` are the APIs' `/v1/...`. */
export const withProvider = async <A>(
  script: Script,
  program: (origin: string) => Promise<A>,
): Promise<A> => {
  const kept = new Map<string, ReadonlyArray<Seen>>()
  const server = createServer(async (request, response) => {
    const say = (status: number, body: object) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
    try {
      const api = apis.get(request.url?.replace(/\?.*/, ""))
      if (api === undefined) throw new Error(`no such API: ${request.url}`)
      const body: unknown = JSON.parse(Buffer.concat(await request.toArray()).toString("utf8"))
      const { after, results } = api.hear(body)
      const all = [...(kept.get(after ?? "") ?? []), ...results]
      const id = `answer_${kept.size}`
      kept.set(id, all)
      const calls = nextCalls(script, all)
      if (wantsStream(body) && api.chunk !== undefined) {
        const chunk = JSON.stringify(api.chunk(id, calls, script.text))
        response.writeHead(200, { "content-type": "text/event-stream" })
        response.end(`data: ${chunk}\n\ndata: [DONE]\n\n`)
      } else say(200, api.answer(id, calls, script.text))
    } catch (error) {
      say(400, { type: "error", error: { type: "script", message: String(error) } })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  try {
    return await program(`http://127.0.0.1:${portOf(server)}`)
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
}

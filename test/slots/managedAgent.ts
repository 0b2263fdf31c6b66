/** Anthropic's API for the workers of managed agents as far as one needs it, on loopback: one session that plays a script. */
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { Schema } from "effect"
import { nextCalls, type Script, type Seen } from "../frameworks/script.ts"

const Sent = Schema.Struct({
  events: Schema.Array(
    Schema.Struct({
      type: Schema.String,
      tool_use_id: Schema.optional(Schema.String),
      is_error: Schema.optional(Schema.NullOr(Schema.Boolean)),
      content: Schema.optional(
        Schema.Array(Schema.Struct({ text: Schema.optional(Schema.String) })),
      ),
    }),
  ),
})

const session = {
  id: "session_1",
  type: "session",
  status: "running",
  agent: { skills: [] },
  resources: [],
}

const heartbeat = {
  type: "work_heartbeat",
  last_heartbeat: "2026-01-01T00:00:00Z",
  lease_extended: true,
  state: "active",
  ttl_seconds: 90,
}

/** Runs a worker against a session whose model plays the script; what it could not play is thrown. */
export const withManagedAgent = async (
  script: Script,
  worker: (origin: string) => Promise<void>,
): Promise<void> => {
  const seen: Array<Seen> = []
  const told = new Set<string>()
  let failure: unknown
  let played = false
  let stream: ServerResponse | undefined
  const tell = (event: { readonly type: string }) =>
    stream?.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
  const end = () => tell({ type: "session.status_terminated" })

  /** Makes the next calls, once all of those before have their results. */
  const goOn = () => {
    if (told.size > seen.length) return
    try {
      const calls = nextCalls(script, seen)
      for (const { id, name, input } of calls) {
        told.add(id)
        const use = { type: "agent.tool_use", id, name, input, evaluated_permission: "allow" }
        tell(use)
      }
      played = calls.length === 0
      if (played) end()
    } catch (error) {
      failure = error
      end()
    }
  }

  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString("utf8")
    const path = request.url?.replace(/\?.*/, "") ?? ""
    const say = (answer: object) =>
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer))
    if (path.endsWith("/events/stream")) {
      stream = response.writeHead(200, { "content-type": "text/event-stream" })
      stream.flushHeaders()
      goOn()
    } else if (path.endsWith("/events") && request.method === "POST") {
      for (const { tool_use_id, content = [], is_error } of Schema.decodeUnknownSync(Sent)(
        JSON.parse(body),
      ).events) {
        const text = content.map(({ text = "" }) => text).join("")
        seen.push({ id: tool_use_id ?? "", text, failed: is_error === true })
      }
      say({ data: [] })
      goOn()
    } else if (path.endsWith("/events")) say({ data: [], next_page: null })
    else if (path.endsWith("/heartbeat")) say(heartbeat)
    else if (path.endsWith("/stop")) say({ id: "work_1", type: "work", state: "stopped" })
    else say(session)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  try {
    const address: AddressInfo | string | null = server.address()
    if (address === null || typeof address === "string") throw new Error("the server has no port")
    await worker(`http://127.0.0.1:${address.port}`)
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  if (failure !== undefined) throw failure
  if (!played) throw new Error("the script was not played to its end")
}

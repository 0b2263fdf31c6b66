import { once } from "node:events"
import { Agent, type IncomingMessage, request } from "node:http"
import { type Duplex, Readable } from "node:stream"
import { pipeline } from "node:stream/promises"

/** The lower bound: plain calls of the Engine API over one kept connection. */
export class RawEngine {
  readonly #agent: Agent
  readonly #socketPath: string

  constructor(socketPath: string) {
    this.#socketPath = socketPath
    this.#agent = new Agent({ keepAlive: true, keepAliveMsecs: 60_000 })
  }

  /** Sends a request. The caller reads the body of the answer. */
  async send(
    method: string,
    path: string,
    body?: object | Readable,
    contentLength?: number,
  ): Promise<IncomingMessage> {
    const json = body === undefined || body instanceof Readable ? undefined : JSON.stringify(body)
    const outgoing = request({
      agent: this.#agent,
      socketPath: this.#socketPath,
      method,
      path: `/v1.41${path}`,
      headers:
        json !== undefined
          ? { "content-type": "application/json", "content-length": Buffer.byteLength(json) }
          : body !== undefined
            ? {
                "content-type": "application/x-tar",
                ...(contentLength === undefined ? {} : { "content-length": contentLength }),
              }
            : {},
    })
    const answered = once(outgoing, "response")
    if (body instanceof Readable) await pipeline(body, outgoing)
    else outgoing.end(json)
    const [response]: Array<IncomingMessage> = await answered
    if (response === undefined) throw new Error("no response")
    if ((response.statusCode ?? 500) >= 400) {
      throw new Error(`${method} ${path}: ${response.statusCode} ${await textOf(response)}`)
    }
    return response
  }

  async call(method: string, path: string, body?: object): Promise<string> {
    return textOf(await this.send(method, path, body))
  }

  async version(): Promise<string> {
    const { Version } = JSON.parse(await this.call("GET", "/version"))
    return String(Version)
  }

  /** Runs a command: prepare, start, read to the end, ask for the exit code. */
  async exec(container: string, command: ReadonlyArray<string>): Promise<void> {
    const id = await this.#prepare(container, command)
    await drain(await this.send("POST", `/exec/${id}/start`, { Detach: false, Tty: false }))
    await this.#ended(id)
  }

  /** Runs a command that reads its standard input to the end. The connection becomes that input. */
  async feed(container: string, command: ReadonlyArray<string>, content: Readable): Promise<void> {
    const id = await this.#prepare(container, command, { AttachStdin: true })
    const body = JSON.stringify({ Detach: false, Tty: false })
    const outgoing = request({
      socketPath: this.#socketPath,
      method: "POST",
      path: `/v1.41/exec/${id}/start`,
      headers: {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
        connection: "Upgrade",
        upgrade: "tcp",
      },
    })
    const upgraded = once(outgoing, "upgrade")
    outgoing.end(body)
    const [, socket]: Array<Duplex> = await upgraded
    if (socket === undefined) throw new Error("no connection")
    await Promise.all([pipeline(content, socket), drain(socket)])
    await this.#ended(id)
  }

  async #prepare(container: string, command: ReadonlyArray<string>, more = {}): Promise<string> {
    const attached = { AttachStdout: true, AttachStderr: true, ...more }
    const path = `/containers/${container}/exec`
    const { Id } = JSON.parse(await this.call("POST", path, { Cmd: command, ...attached }))
    return String(Id)
  }

  async #ended(id: string): Promise<void> {
    const { ExitCode } = JSON.parse(await this.call("GET", `/exec/${id}/json`))
    if (ExitCode !== 0) throw new Error(`exit code ${ExitCode}`)
  }

  close(): void {
    this.#agent.destroy()
  }
}

const textOf = async (response: IncomingMessage): Promise<string> =>
  Buffer.concat(await response.toArray()).toString()

/** Reads all and drops it. */
export const drain = async (stream: Readable): Promise<number> => {
  let bytes = 0
  stream.on("data", (chunk: Buffer) => {
    bytes += chunk.length
  })
  if (!stream.readableEnded) await once(stream, "end")
  return bytes
}

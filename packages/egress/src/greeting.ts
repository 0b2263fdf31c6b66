import { once } from "node:events"
import type { Duplex } from "node:stream"
import { getExtensionData, readTlsClientHello } from "read-tls-client-hello"

/** How a connection begins. */
export type Greeting = "tls" | "postgres" | "http" | "other" | "nothing"

// PostgreSQL's requests for encryption, which come before anything else.
const length = 8
const tlsRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])
const gssRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 48])

/** PostgreSQL's request for TLS, which a client sends before its TLS greeting. */
export const postgresRequest: Uint8Array = tlsRequest

// Bytes of a request's first line.
const maxLine = 16 * 1024
const requestLine = /^[A-Z-]{1,32} \S+ HTTP\/1\.[01]\r?$/

/** Waits for bytes. @returns false if no more come */
const hasMore = async (socket: Duplex): Promise<boolean> => {
  if (socket.readableEnded || socket.destroyed) return false
  const stop = new AbortController()
  const { signal } = stop
  const events = ["readable", "end", "close"].map((event) => once(socket, event, { signal }))
  try {
    await Promise.race(events)
  } catch {
    return false
  } finally {
    stop.abort()
    await Promise.allSettled(events)
  }
  return !socket.readableEnded && !socket.destroyed
}

/** Reads until there is enough, and puts all of it back. */
const peek = async (socket: Duplex, isEnough: (bytes: Buffer) => boolean): Promise<Buffer> => {
  let bytes = Buffer.alloc(0)
  while (!isEnough(bytes)) {
    const piece: Buffer | null = socket.read()
    if (piece !== null) bytes = Buffer.concat([bytes, piece])
    else if (!(await hasMore(socket))) return Buffer.alloc(0)
  }
  socket.unshift(bytes)
  return bytes
}

/** Takes the number of bytes that a peek has shown to be there. */
const skip = (socket: Duplex, bytes: number): void => void socket.read(bytes)

/** Reads how a connection begins. PostgreSQL's requests are answered and taken; all else is put back. */
export const readGreeting = async (socket: Duplex): Promise<Greeting> => {
  const [first] = await peek(socket, (bytes) => bytes.length > 0)
  if (first === undefined) return "nothing"
  if (first === 0x16) return "tls"
  if (first === 0) {
    const begin = await peek(socket, (bytes) => bytes.length >= length)
    const request = begin.subarray(0, length)
    if (request.equals(gssRequest)) {
      skip(socket, length)
      socket.write("N")
      return readGreeting(socket)
    }
    if (!request.equals(tlsRequest)) return "other"
    skip(socket, length)
    socket.write("S")
    return "postgres"
  }
  const text = await peek(socket, (bytes) => bytes.includes("\n") || bytes.length > maxLine)
  const [line = ""] = text.toString("latin1").split("\n", 1)
  return requestLine.test(line) ? "http" : "other"
}

/** The server's name in a TLS greeting, which is put back; undefined if there is none. */
export const readServerName = async (socket: Duplex): Promise<string | undefined> => {
  const hello = await readTlsClientHello(socket).catch(() => undefined)
  return hello && getExtensionData(hello, "server_name")?.serverName
}

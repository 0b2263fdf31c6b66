import { type IncomingMessage, request } from "node:http"
import { Duplex } from "node:stream"
import { text } from "node:stream/consumers"
import { type EngineCall, pathOf } from "./EngineClient.ts"
import { writeTogether } from "./execConnection.ts"
import { refusalIn } from "./failures.ts"
import { IdleAgent } from "./idleAgent.ts"
import type { Place } from "./longAnswer.ts"
import { connectShared } from "./sharedReads.ts"

/** The raw connection behind an answer that did not announce an upgrade. */
const rawFrom = (answer: IncomingMessage): Duplex => {
  const { socket } = answer
  const connection = new Duplex({
    read: () => void answer.resume(),
    write: (bytes, encoding, done) => void socket.write(bytes, encoding, done),
    writev: (pieces, done) => {
      writeTogether(
        socket,
        pieces.map(({ chunk }) => chunk),
        done,
      )
    },
    final: (done) => void socket.end(done),
    destroy: (cause, done) => {
      socket.destroy()
      done(cause)
    },
  })
  answer.on("data", (bytes) => {
    if (!connection.push(bytes)) answer.pause()
  })
  answer.on("end", () => connection.push(null))
  answer.on("error", (cause) => connection.destroy(cause))
  return connection
}

/**
 * Makes a call whose connection becomes the streams of a process. It does not use dockerode, which
 * announces a chunked body and never sends the last chunk, for which Podman waits. With a real
 * body, Docker would pass the body to the process as input.
 *
 * @param left aborts the request; it has no effect after the answer
 */
export const takeOver = (
  { socketPath, agent }: Place,
  call: EngineCall,
  left: AbortSignal,
): Promise<Duplex> => {
  const { promise, resolve, reject } = Promise.withResolvers<Duplex>()
  const body = call.body === undefined ? undefined : JSON.stringify(call.body)
  const described =
    body === undefined
      ? {}
      : { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) }
  const headers = { Connection: "Upgrade", Upgrade: "tcp", ...described }
  const connection = connectShared(socketPath)
  if (agent instanceof IdleAgent) connection.unref()
  const createConnection = () => connection
  const { method } = call
  request({ socketPath, createConnection, method, path: pathOf(call), headers, signal: left })
    .on("upgrade", (_answer, socket, early) => {
      if (early.length > 0) socket.unshift(early)
      resolve(socket)
    })
    .on("response", (answer) => {
      const { statusCode = 0 } = answer
      if (statusCode === 200) return resolve(rawFrom(answer))
      text(answer).then((said) => reject(refusalIn(call.operation, statusCode, said)), reject)
    })
    .on("error", reject)
    .end(body)
  return promise
}

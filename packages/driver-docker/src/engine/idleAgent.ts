import { Agent, type ClientRequest } from "node:http"
import { Socket } from "node:net"
import type { Duplex } from "node:stream"
import { inspect } from "node:util"

const unref = (socket: unknown) => {
  if (socket instanceof Socket) socket.unref()
}

/** Connections that never keep the process alive, not even while an answer is waited for. */
export class IdleAgent extends Agent {
  constructor() {
    // As the agent that Node uses by default.
    super({ keepAlive: true, scheduling: "lifo", timeout: 5000 })
  }

  // docker-modem writes out the options of each request for its log, whether there is one or not: with
  // all sockets of the agent, and all that they hold, that took 45 ms of each call with 30 sandboxes.
  [inspect.custom](): string {
    return "IdleAgent {}"
  }

  override createConnection(
    ...args: Parameters<Agent["createConnection"]>
  ): ReturnType<Agent["createConnection"]> {
    const socket = super.createConnection(...args)
    unref(socket)
    return socket
  }

  // Node's own has it keep the process alive from here on.
  override reuseSocket(socket: Duplex, request: ClientRequest): void {
    super.reuseSocket(socket, request)
    unref(socket)
  }
}

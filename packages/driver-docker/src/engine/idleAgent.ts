import { Agent, type ClientRequest } from "node:http"
import { Socket } from "node:net"
import type { Duplex } from "node:stream"
import { inspect } from "node:util"

const unref = (socket: unknown) => {
  if (socket instanceof Socket) socket.unref()
}

/** An agent whose connections never keep the process alive, not even while a call waits for its answer. */
export class IdleAgent extends Agent {
  constructor() {
    // The options of Node's default agent.
    super({ keepAlive: true, scheduling: "lifo", timeout: 5000 })
  }

  // docker-modem formats the options of each request for its debug log, even if the log is off.
  // With all sockets of the agent that took 45 ms of each call with 30 sandboxes.
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

  // Node's own implementation makes a reused socket keep the process alive.
  override reuseSocket(socket: Duplex, request: ClientRequest): void {
    super.reuseSocket(socket, request)
    unref(socket)
  }
}

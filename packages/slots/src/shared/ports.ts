import { InvalidInput, type PromiseExposedPort, type PromiseSandbox } from "@cordon/core"

/** Ports of a sandbox that this machine may connect to; each is opened when it is first asked for. */
export interface OpenPorts {
  readonly allowed: () => ReadonlyArray<number>
  /** Replaces them; those that are no longer among them are closed. */
  readonly allow: (ports: ReadonlyArray<number>) => Promise<void>
  /** Opens a port on this machine. @returns `host:port` */
  readonly open: (port: number) => Promise<string>
  /** Closes those that are open. */
  readonly close: () => Promise<void>
}

export const openPorts = (sandbox: PromiseSandbox, ports: ReadonlyArray<number>): OpenPorts => {
  let allowed = [...new Set(ports)]
  const opened = new Map<number, Promise<PromiseExposedPort>>()

  const closeAll = async (all: ReadonlyArray<number>) => {
    const closing = all.map(async (port) => {
      const exposed = opened.get(port)
      opened.delete(port)
      // A port that could not be opened need not be closed.
      await exposed?.then(
        (open) => open.close(),
        () => {},
      )
    })
    await Promise.all(closing)
  }

  return {
    allowed: () => allowed,
    allow: async (ports) => {
      allowed = [...new Set(ports)]
      await closeAll([...opened.keys()].filter((port) => !allowed.includes(port)))
    },
    open: async (port) => {
      if (!allowed.includes(port)) {
        throw new InvalidInput({
          subject: "port",
          issue: `${port} is not a port of this sandbox; its ports: ${allowed.join(", ") || "none"}`,
        })
      }
      const known = opened.get(port)
      if (known !== undefined) return `127.0.0.1:${(await known).localPort}`
      const exposing = sandbox.ports.expose(port)
      opened.set(port, exposing)
      try {
        return `127.0.0.1:${(await exposing).localPort}`
      } catch (error) {
        opened.delete(port)
        throw error
      }
    },
    close: () => closeAll([...opened.keys()]),
  }
}

import type { Server } from "node:net"

/** The port that a server of this machine listens on. */
export const portOf = (server: Pick<Server, "address">): number => {
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("the server has no port")
  return address.port
}

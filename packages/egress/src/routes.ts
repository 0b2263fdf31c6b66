import { Agent as HttpAgent } from "node:http"
import { Agent as HttpsAgent } from "node:https"
import type { LookupFunction } from "node:net"
import { Http2Sessions } from "./Http2Sessions.ts"
import { silence } from "./sending.ts"

/** Connections to destinations under one set of rules. */
export interface Routes {
  readonly http: HttpAgent
  readonly https: HttpsAgent
  readonly http2: Http2Sessions
}

export interface RoutesOptions {
  readonly lookup: LookupFunction
  readonly ca: ReadonlyArray<string> | undefined
  /** Milliseconds for a TLS handshake. */
  readonly greeting: number
  /** The most bytes of a response's headers. */
  readonly headerBytes: number
}

export const makeRoutes = ({ lookup, ca, greeting, headerBytes }: RoutesOptions): Routes => {
  const common = { keepAlive: true, maxSockets: 64, maxFreeSockets: 8, timeout: silence, lookup }
  return {
    http: new HttpAgent(common),
    https: new HttpsAgent({ ...common, ca: ca === undefined ? undefined : [...ca] }),
    http2: new Http2Sessions({ lookup, ca, greeting, silence, headerBytes }),
  }
}

/** Closes idle connections now, and the others after their requests. */
export const retire = ({ http, https, http2 }: Routes): void => {
  for (const agent of [http, https]) {
    agent.maxFreeSockets = 0
    for (const socket of Object.values(agent.freeSockets).flat()) socket?.destroy()
  }
  http2.drain()
}

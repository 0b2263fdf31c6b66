import { createHash, randomBytes, timingSafeEqual } from "node:crypto"
import type { Duplex } from "node:stream"
import { hostOf, originOf, type Site } from "./site.ts"

/** A clock and its timers. */
export interface Clock {
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Runs something once. The returned function cancels it. */
  readonly after: (milliseconds: number, run: () => void) => () => void
}

/** The reason why a port is no longer shared. */
export type Ending = "expired" | "revoked" | "gone"

type Kind = "request" | "websocket"

// The most simultaneous connections. A sandbox has some hundred channels, and commands need some of
// them.
const most = 64

/** Milliseconds that a request in progress has after its token has expired. */
const grace = 60_000

const digest = (token: string) => createHash("sha256").update(token).digest()

/** A shared port of a sandbox: who may use it, for how long, and its open connections. */
export class Share {
  readonly port: number
  readonly host: string
  readonly origin: string
  readonly secure: boolean
  readonly expiresAt: number
  /** Opens a connection to the port. */
  readonly connect: (signal: AbortSignal) => Promise<Duplex>
  readonly token = randomBytes(32).toString("base64url")
  readonly #digest = digest(this.token)
  readonly #clock: Clock
  readonly #open = new Map<() => void, Kind>()
  #callOff: () => void
  #ending: Ending | undefined

  constructor(
    site: Site,
    clock: Clock,
    port: number,
    lasting: number,
    connect: (signal: AbortSignal) => Promise<Duplex>,
  ) {
    // A random label, so that other pages can't address the share.
    const label = `p-${randomBytes(12).toString("hex")}`
    this.port = port
    this.host = hostOf(site, label)
    this.origin = originOf(site, label)
    this.secure = site.secure
    this.connect = connect
    this.#clock = clock
    this.expiresAt = clock.now() + lasting
    this.#callOff = clock.after(lasting, () => this.end("expired"))
  }

  /** The reason of the end; undefined as long as the port is shared. */
  ending(): Ending | undefined {
    // A timer may be late, for example after a sleep of the machine.
    if (this.#ending === undefined && this.#clock.now() >= this.expiresAt) this.end("expired")
    return this.#ending
  }

  /** Whether this is the token, compared in constant time. */
  fits(token: string): boolean {
    return timingSafeEqual(digest(token), this.#digest)
  }

  /**
   * Begins a request or a WebSocket. Returns the function to call at its end; undefined if too many
   * are in progress.
   *
   * @param close ends it early
   */
  begin(kind: Kind, close: () => void): (() => void) | undefined {
    if (this.#open.size >= most) return undefined
    this.#open.set(close, kind)
    return () => void this.#open.delete(close)
  }

  /** Ends the share. After an expiry, requests in progress may finish; everything else is closed. */
  end(ending: Ending): void {
    if (this.#ending !== undefined && this.#ending !== "expired") return
    const isExpired = ending === "expired"
    if (isExpired && this.#ending === "expired") return
    this.#ending ??= ending
    this.#callOff()
    const closeAll = (isClosed: (kind: Kind) => boolean) => {
      for (const [close, kind] of [...this.#open]) if (isClosed(kind)) close()
    }
    closeAll((kind) => !isExpired || kind === "websocket")
    if (isExpired) this.#callOff = this.#clock.after(grace, () => closeAll(() => true))
  }
}

import type { IncomingHttpHeaders, IncomingMessage } from "node:http"
import { Refusal } from "./Refusal.ts"
import type { Ending, Share } from "./Share.ts"

/** In the query of a browser's first visit, which can't send it in another way. */
export const tokenParameter = "cordon_token"
/** The header in which programs send the token. */
export const tokenHeader = "x-cordon-token"
/** The common part of both names of the cookie. */
export const cookieName = "cordon_token"

/** Browsers do not let other hosts, or pages without TLS, set a cookie with this prefix. */
const nameOfCookie = ({ secure }: Share) => (secure ? `__Host-${cookieName}` : cookieName)

/** The cookie in which a browser keeps the token. */
export const cookieOf = (share: Share, now: number): string => {
  const seconds = Math.max(0, Math.floor((share.expiresAt - now) / 1000))
  const secure = share.secure ? "; Secure" : ""
  return `${nameOfCookie(share)}=${share.token}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict${secure}`
}

/** The bearer token of a request. It may be meant for the server inside. */
export const bearerOf = ({ authorization }: IncomingHttpHeaders): string | undefined =>
  /^bearer +(\S+)$/i.exec(authorization ?? "")?.[1]

/** A request that may be passed on. */
export interface Admitted {
  readonly share: Share
  /** The path and query, without the token. */
  readonly path: string
  /** Whether a browser sent its token in the address, and continues with a cookie. */
  readonly isEntering: boolean
}

const endings: Record<Ending, string> = {
  expired: "This address has expired. Ask for a new one where you got it.",
  revoked: "This address was withdrawn. Ask for a new one where you got it.",
  gone: "The sandbox of this address is gone. Ask for a new one where you got it.",
}

/** Removes the token from a request's path. The rest stays unchanged. */
const targetOf = (url: string) => {
  // Other forms of a request target name a host a second time.
  if (!url.startsWith("/") || url.includes("#")) {
    throw new Refusal(400, "The request must have a path, which begins with a slash.")
  }
  const start = url.indexOf("?")
  if (start === -1) return { path: url, given: [] }
  const prefix = `${tokenParameter}=`
  const parts = url.slice(start + 1).split("&")
  const rest = parts.filter((part) => !part.startsWith(prefix) && part !== tokenParameter)
  const given = parts.flatMap((part) =>
    part.startsWith(prefix) ? [part.slice(prefix.length)] : [],
  )
  if (rest.length === parts.length) return { path: url, given }
  const query = rest.length === 0 ? "" : `?${rest.join("&")}`
  return { path: url.slice(0, start) + query, given }
}

const cookiesOf = ({ cookie = "" }: IncomingHttpHeaders, share: Share) => {
  const prefix = `${nameOfCookie(share)}=`
  return cookie
    .split(";")
    .map((one) => one.trim())
    .flatMap((one) => (one.startsWith(prefix) ? [one.slice(prefix.length)] : []))
}

const isSafe = ({ method }: IncomingMessage) => method === "GET" || method === "HEAD"

/** Whether a browser opens a page, as opposed to a request from a page or a program. */
const isNavigation = (request: IncomingMessage) => {
  const { "sec-fetch-mode": mode, accept = "" } = request.headers
  return (
    isSafe(request) && (mode === undefined ? accept.includes("text/html") : mode === "navigate")
  )
}

/**
 * The shared port that a request names. Other names are refused: a foreign name server may let any
 * name point here.
 */
const shareOf = (request: IncomingMessage, shares: ReadonlyMap<string, Share>): Share => {
  const names = request.rawHeaders.filter((text, at) => at % 2 === 0 && /^host$/i.test(text))
  const share = shares.get((request.headers.host ?? "").toLowerCase())
  if (names.length !== 1 || share === undefined) {
    throw new Refusal(421, "No port is shared under this name. Use the whole address that you got.")
  }
  return share
}

/**
 * Checks a request's host, its origin and its token, in this order.
 *
 * @returns the admitted request. Throws a `Refusal` otherwise
 */
export const admit = (
  request: IncomingMessage,
  shares: ReadonlyMap<string, Share>,
  kind: "request" | "websocket",
): Admitted => {
  const { headers } = request
  const share = shareOf(request, shares)
  const ending = share.ending()
  if (ending !== undefined) throw new Refusal(410, endings[ending])
  const { origin } = headers
  const isReading = kind === "request" && isSafe(request)
  if (!isReading && origin !== undefined && origin !== share.origin) {
    throw new Refusal(403, "The page of another origin may not do this.")
  }
  const { path, given } = targetOf(request.url ?? "")
  const fits = (token: string) => share.fits(token)
  const bearer = bearerOf(headers)
  const shown = [headers[tokenHeader] ?? [], bearer ?? []].flat()
  if (given.some(fits)) {
    return { share, path, isEntering: kind === "request" && isNavigation(request) }
  }
  if (shown.some(fits)) return { share, path, isEntering: false }
  if (!cookiesOf(headers, share).some(fits)) {
    throw new Refusal(
      401,
      `This address needs its token. Open the whole address that you got, with ${tokenParameter} in it; programs may send the token as the header ${tokenHeader}.`,
    )
  }
  // Browsers send the cookie with requests of every page below the same domain.
  const site = headers["sec-fetch-site"] ?? "same-origin"
  if (site !== "same-origin" && site !== "none" && !isNavigation(request)) {
    throw new Refusal(403, "The page of another origin may not do this.")
  }
  return { share, path, isEntering: false }
}

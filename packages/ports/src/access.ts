import type { IncomingHttpHeaders, IncomingMessage } from "node:http"
import { Refusal } from "./Refusal.ts"
import type { Ending, Share } from "./Share.ts"

/** In the query of the first visit, where nothing else can be said. */
export const tokenParameter = "cordon_token"
/** For programs. */
export const tokenHeader = "x-cordon-token"
/** The part that both names of the cookie have. */
export const cookieName = "cordon_token"

/** Browsers let no other host, and no page without TLS, set a cookie with this prefix. */
const nameOfCookie = ({ secure }: Share) => (secure ? `__Host-${cookieName}` : cookieName)

/** The cookie that a browser has the token in from then on. */
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
  /** A browser that has shown its token in the address, and is to go on with a cookie. */
  readonly isEntering: boolean
}

const endings: Record<Ending, string> = {
  expired: "This address has expired. Ask for a new one where you got it.",
  revoked: "This address was withdrawn. Ask for a new one where you got it.",
  gone: "The sandbox of this address is gone. Ask for a new one where you got it.",
}

/** Takes the token out of a request's path; all else stays as it was written. */
const targetOf = (url: string) => {
  // Another form of a request names a host a second time.
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

/** A page that a browser opens, in place of something that a page or a program asks for. */
const isNavigation = (request: IncomingMessage) => {
  const { "sec-fetch-mode": mode, accept = "" } = request.headers
  return (
    isSafe(request) && (mode === undefined ? accept.includes("text/html") : mode === "navigate")
  )
}

/** The one shared port that a request names. Another name leads here where somebody else's name server says so. */
const shareOf = (request: IncomingMessage, shares: ReadonlyMap<string, Share>): Share => {
  const names = request.rawHeaders.filter((text, at) => at % 2 === 0 && /^host$/i.test(text))
  const share = shares.get((request.headers.host ?? "").toLowerCase())
  if (names.length !== 1 || share === undefined) {
    throw new Refusal(421, "No port is shared under this name. Use the whole address that you got.")
  }
  return share
}

/**
 * Judges a request by its host, where it comes from and its token, in this order.
 *
 * @returns what may be passed on; it throws a `Refusal` where nothing may
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
  // A cookie goes along with what any page below the same domain asks for.
  const site = headers["sec-fetch-site"] ?? "same-origin"
  if (site !== "same-origin" && site !== "none" && !isNavigation(request)) {
    throw new Refusal(403, "The page of another origin may not do this.")
  }
  return { share, path, isEntering: false }
}

import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http"
import { passedOn } from "@cordon/core"
import { bearerOf, cookieName, tokenHeader } from "./access.ts"
import type { Share } from "./Share.ts"

// Headers in which proxies describe the client. No trusted proxy has set them here.
const ofProxies = /^(?:forwarded|x-forwarded-.*|x-real-ip)$/

const withoutToken = (cookies: string) =>
  cookies
    .split(";")
    .filter((cookie) => !cookie.includes(cookieName))
    .join(";")
    .trim()

/** A request's headers as the sandbox gets them: without the token, wherever it was. */
export const requestHeaders = (headers: IncomingHttpHeaders, share: Share): OutgoingHttpHeaders => {
  const passed = passedOn(headers).flatMap(([name, value]) => {
    if (name === tokenHeader || ofProxies.test(name)) return []
    if (name === "cookie") {
      const cookies = withoutToken(String(value))
      return cookies === "" ? [] : [[name, cookies]]
    }
    const bearer = name === "authorization" ? bearerOf(headers) : undefined
    return bearer !== undefined && share.fits(bearer) ? [] : [[name, value]]
  })
  return {
    ...Object.fromEntries(passed),
    host: share.host,
    "x-forwarded-host": share.host,
    "x-forwarded-proto": share.secure ? "https" : "http",
  }
}

/**
 * A cookie that goes to this origin alone: one for a parent domain would reach other sandboxes. Browsers take the last
 * of several such attributes, with spaces around their names.
 */
const ownCookie = (line: string): ReadonlyArray<string> => {
  const [pair = "", ...attributes] = line.split(";")
  // It would take the place of the token's.
  if (pair.includes(cookieName)) return []
  const own = attributes.filter((one) => !/^\s*domain\s*(?:=|$)/i.test(one))
  return [[pair, ...own].join(";")]
}

/** A response's headers as the browser gets them. */
export const responseHeaders = (headers: IncomingHttpHeaders): OutgoingHttpHeaders =>
  Object.fromEntries(
    passedOn(headers).flatMap(([name, value]) => {
      // It would lead the browser past this gateway.
      if (name === "alt-svc") return []
      if (name !== "set-cookie") return [[name, value]]
      return [[name, [value].flat().flatMap(ownCookie)]]
    }),
  )

import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http"
import type { Allowed, Exchanges } from "./Exchanges.ts"
import { hiddenIn, requestHeaders, sizeOf } from "./headers.ts"
import { isNamedBy, nameOf, type Origin } from "./origin.ts"
import { type ReadPath, readPath } from "./paths.ts"
import type { Placeholders } from "./placeholders.ts"
import { dependOnPath, dependOnRequest, type Rule, type Subject } from "./policy.ts"
import { Refusal, type Request, refusedBecause } from "./refusal.ts"

/** A request that the rules allow, as it will be sent. */
export interface Judged extends Allowed {
  readonly method: string
  /** The path with its query. */
  readonly target: string
  readonly headers: OutgoingHttpHeaders
  /** Texts that its answer must not show: the secrets, as they are sent. */
  readonly hidden: ReadonlyArray<string>
}

export interface Judging {
  readonly exchanges: Exchanges
  readonly placeholders: Placeholders
}

/** Headers from which some servers take another method or path than the request's, also with underscores. */
const overrides = new Set([
  "x-http-method",
  "x-http-method-override",
  "x-method-override",
  "x-original-url",
  "x-rewrite-url",
])

const withoutOverrides = (headers: IncomingHttpHeaders): IncomingHttpHeaders =>
  Object.fromEntries(
    Object.entries(headers).filter(([name]) => !overrides.has(name.replaceAll("_", "-"))),
  )

// Characters of a path that is compared with the patterns of rules.
const longestPath = 8192

/** The reason to refuse a request before the rules are asked about it. */
const malformed = (
  request: Request,
  origin: Origin,
  path: string,
  read: ReadPath | undefined,
  rules: ReadonlyArray<Rule>,
): { readonly status: number; readonly reason: string } | undefined => {
  const { method = "GET", url = "" } = request
  // A request for another host would be judged by the rules of this connection's host.
  if (!isNamedBy(origin, "authority" in request ? request.authority : request.headers.host)) {
    const reason = `this connection is one to ${nameOf(origin)}: its requests must name no other host`
    return { status: 421, reason }
  }
  // Node would send it in upper case, after it was judged in lower case.
  if (!/^[A-Z][A-Z-]*$/.test(method)) {
    return { status: 400, reason: "the method of the request must be in upper-case letters" }
  }
  // By HTTP/2 any characters can come.
  if (!/^\/[\x21\x22\x24-\x7e\x80-\xff]*$/.test(url)) {
    const reason = "the path of the request must begin with / and have no spaces and no #"
    return { status: 400, reason }
  }
  if (dependOnPath(rules) && path.length > longestPath) {
    return { status: 414, reason: `the path is longer than ${longestPath} characters` }
  }
  if (dependOnPath(rules) && read === undefined) {
    const reason =
      "the path of the request has dots, slashes or percent signs that servers read in different ways, and the rules depend on it"
    return { status: 400, reason }
  }
  return undefined
}

/** Asks the rules about a request. Throws a refusal. */
export const judged = async (
  request: Request,
  origin: Origin,
  { exchanges, placeholders }: Judging,
): Promise<Judged> => {
  const { host, port, protocol } = origin
  const { method = "GET", url = "" } = request
  const rules = exchanges.rulesFor(host, port)
  const [given = ""] = url.split("?", 1)
  const read = readPath(given)
  const subject: Subject = { host, port, method, path: read?.path ?? given }
  const wrong = malformed(request, origin, given, read, rules)
  if (wrong !== undefined) {
    throw new Refusal(wrong.status, `Cordon: ${exchanges.refused(subject, wrong.reason)}.`)
  }
  const allowed = await exchanges.judge(subject, protocol === "http")
  if (typeof allowed === "string") throw new Refusal(403, refusedBecause(allowed))
  // They may have changed while `ask` was running.
  const now = exchanges.rulesFor(host, port)
  const own = dependOnRequest(now) ? withoutOverrides(request.headers) : request.headers
  const headers = requestHeaders(own, nameOf(origin), allowed.rule, placeholders)
  // Where no rule depends on the path, only its destination reads it.
  const path = dependOnPath(now) && read !== undefined ? read.sent : given
  const target = path + url.slice(given.length)
  const begin: Allowed["begin"] = (cut) => {
    const exchange = allowed.begin(cut)
    exchange.charge(target.length + sizeOf(headers))
    return exchange
  }
  const hidden = hiddenIn(own, headers, allowed.rule)
  return { ...allowed, begin, method, target, headers, hidden }
}

import { Destination, InvalidInput } from "@cordon/core"
import { Redacted, Schema } from "effect"
import { parseRange } from "./destinations.ts"

/** A secret, which is shown nowhere. */
export type Secret = string | Redacted.Redacted<string>

/** What a request, or a connection, is about. */
export interface Subject {
  /** A domain name, in lower case. */
  readonly host: string
  readonly port: number
  /** Of a request; absent of a connection whose content is not looked at. */
  readonly method?: string
  /** The path of a request, without its query. */
  readonly path?: string
}

/** What may be done at a destination, and what is added to it. The first rule of a destination that fits decides. */
export interface EgressRule {
  /** HTTP methods: any by default. */
  readonly methods?: ReadonlyArray<string>
  /** Paths: `/v1/models`, `/repos/*` (one part), `/repos/**` (all below); any by default. */
  readonly paths?: ReadonlyArray<string>
  /** `allow` by default. `ask` has the program decide about each request. */
  readonly action?: "allow" | "deny" | "ask"
  /** Headers that each request gets, in place of its own of that name. The values never enter the sandbox. */
  readonly headers?: Readonly<Record<string, Secret>>
  /**
   * Secrets by the names of environment variables. A program inside finds a placeholder there, which is worth nothing
   * anywhere else; in headers of its requests to this destination the secret takes its place.
   */
  readonly secrets?: Readonly<Record<string, Secret>>
  /** Requests in all; unlimited by default. */
  readonly maxRequests?: number
  /** Bytes in all, of requests and responses together; unlimited by default. */
  readonly maxBytes?: number
}

/**
 * Where a sandbox may go, all else being refused: `pypi.org`, `*.example.com` (every name below it), `registry.example.com:5000`;
 * 80 and 443 where no port is named. The longest name decides where several fit.
 */
export interface EgressRules {
  readonly allow: Readonly<Record<string, EgressRule | ReadonlyArray<EgressRule>>>
  /** Ranges of private addresses that allowed names may lead to: `10.20.0.0/16`. None by default, link-local ones never. */
  readonly allowAddresses?: ReadonlyArray<string>
}

/** A rule, ready to be asked. */
export interface Rule {
  readonly id: string
  readonly action: "allow" | "deny" | "ask"
  readonly methods: ReadonlySet<string> | undefined
  readonly paths: ReadonlyArray<RegExp> | undefined
  readonly headers: ReadonlyArray<readonly [string, Redacted.Redacted<string>]>
  readonly secrets: ReadonlyArray<readonly [string, Redacted.Redacted<string>]>
  readonly maxRequests: number
  readonly maxBytes: number
}

interface Entry {
  readonly domain: string
  readonly below: boolean
  readonly port: number | undefined
  readonly rules: readonly [Rule, ...ReadonlyArray<Rule>]
}

/** Rules that were checked. */
export interface Policy {
  readonly entries: ReadonlyArray<Entry>
  readonly ranges: ReadonlyArray<NonNullable<ReturnType<typeof parseRange>>>
}

const invalid = (issue: string) => new InvalidInput({ subject: "egress rules", issue })

// What frames a message, or names its receiver, is ours to write.
const reserved =
  /^(?:host|content-length|transfer-encoding|connection|keep-alive|te|trailer|upgrade|expect|proxy-.*|:.*)$/

const isDestination = Schema.is(Destination)
const fields = new Set([
  "methods",
  "paths",
  "action",
  "headers",
  "secrets",
  "maxRequests",
  "maxBytes",
])

const redacted = (value: Secret) => {
  const hidden = typeof value === "string" ? Redacted.make(value) : value
  if (!/^[\t\x20-\x7e\x80-\xff]+$/.test(Redacted.value(hidden))) {
    throw invalid("a secret is empty or has characters that a header can't have")
  }
  return hidden
}

const count = (name: string, value: number | undefined) => {
  if (value === undefined) return Number.POSITIVE_INFINITY
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw invalid(`${name} must be a whole number, 0 or more`)
}

/** `*` is one part of a path, `**` any number of them. */
const patternOf = (path: string): RegExp => {
  if (!/^\/[^?#\s]*$/.test(path))
    throw invalid(`the path ${JSON.stringify(path)} must begin with / and have no query`)
  const source = path
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replace(/\*\*|\*/g, (star) => (star === "**" ? ".*" : "[^/]*"))
  return new RegExp(`^${source}$`)
}

const ruleOf = (destination: string, rule: EgressRule, index: number): Rule => {
  const unknown = Object.keys(rule).find((name) => !fields.has(name))
  if (unknown !== undefined) throw invalid(`${destination} has ${unknown}, which no rule has`)
  const { action = "allow" } = rule
  if (!["allow", "deny", "ask"].includes(action)) {
    throw invalid(`the action of ${destination} must be "allow", "deny" or "ask"`)
  }
  for (const name of Object.keys(rule.headers ?? {})) {
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/i.test(name) || reserved.test(name.toLowerCase())) {
      throw invalid(`the header ${JSON.stringify(name)} of ${destination} can't be set`)
    }
  }
  for (const name of Object.keys(rule.secrets ?? {})) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      throw invalid(`the secret ${JSON.stringify(name)} of ${destination} is no name of a variable`)
    }
  }
  const pairs = (values: Readonly<Record<string, Secret>> = {}) =>
    Object.entries(values).map(([name, value]) => [name, redacted(value)] as const)
  return {
    id: `${destination}#${index}`,
    action,
    methods: rule.methods && new Set(rule.methods.map((method) => method.toUpperCase())),
    paths: rule.paths?.map(patternOf),
    headers: pairs(rule.headers).map(([name, value]) => [name.toLowerCase(), value] as const),
    secrets: pairs(rule.secrets),
    maxRequests: count("maxRequests", rule.maxRequests),
    maxBytes: count("maxBytes", rule.maxBytes),
  }
}

/** Checks rules. @throws InvalidInput where they can't be */
export const parsePolicy = ({ allow, allowAddresses = [] }: EgressRules): Policy => {
  const entries = Object.entries(allow).map(([destination, given]): Entry => {
    if (!isDestination(destination)) {
      throw invalid(
        `${JSON.stringify(destination)} must be a lower-case domain name such as pypi.org, *.pythonhosted.org or registry.example.com:5000`,
      )
    }
    const all: ReadonlyArray<EgressRule> = Array.isArray(given) ? given : [given]
    const [first, ...others] = all.map((rule, index) => ruleOf(destination, rule, index))
    if (first === undefined) throw invalid(`${destination} has no rule`)
    const [name = "", port] = destination.split(":")
    return {
      domain: name.replace(/^\*\./, ""),
      below: name.startsWith("*."),
      port: port === undefined ? undefined : Number(port),
      rules: [first, ...others],
    }
  })
  const ranges = allowAddresses.map((text) => {
    const range = parseRange(text)
    if (range === undefined)
      throw invalid(`${JSON.stringify(text)} is no range of addresses such as 10.20.0.0/16`)
    return range
  })
  return { entries, ranges }
}

const weight = ({ domain, below, port }: Entry) =>
  domain.length * 4 + (below ? 0 : 2) + (port === undefined ? 0 : 1)

/** The rules of a destination; none where it is not on the list. */
export const rulesFor = ({ entries }: Policy, host: string, port: number): ReadonlyArray<Rule> => {
  const fitting = entries.filter(
    (entry) =>
      (entry.below ? host.endsWith(`.${entry.domain}`) : host === entry.domain) &&
      (entry.port === undefined ? port === 80 || port === 443 : port === entry.port),
  )
  const [best] = fitting.sort((a, b) => weight(b) - weight(a))
  return best?.rules ?? []
}

/** Whether what is said to a destination must be seen to decide about it. */
export const isInspected = (rules: ReadonlyArray<Rule>): boolean =>
  rules.length > 1 ||
  rules.some(
    ({ methods, paths, headers, secrets, maxRequests, action }) =>
      methods !== undefined ||
      paths !== undefined ||
      headers.length > 0 ||
      secrets.length > 0 ||
      maxRequests !== Number.POSITIVE_INFINITY ||
      action === "ask",
  )

/** The rule that decides; none where nothing allows it. */
export const decide = (
  rules: ReadonlyArray<Rule>,
  { method = "", path = "" }: Pick<Subject, "method" | "path">,
): Rule | undefined =>
  rules.find(
    ({ methods, paths }) =>
      (methods === undefined || methods.has(method)) &&
      (paths === undefined || paths.some((pattern) => pattern.test(path))),
  )

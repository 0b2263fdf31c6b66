import {
  Destination,
  type EgressRules,
  InvalidInput,
  invalidInput,
  parseDestination,
} from "@cordon/core"
import { Effect, Redacted, Schema } from "effect"
import { parseRange, type Range } from "./destinations.ts"
import { isClear, matchesPath, mayMatchPath, type PathPattern, parsePattern } from "./paths.ts"

/** The subject of a request or a connection. */
export interface Subject {
  /** A domain name, in lower case. */
  readonly host: string
  /** The port that the sandbox asked for. */
  readonly port: number
  /** For a request; absent for a connection whose content is not inspected. */
  readonly method?: string | undefined
  /** The path of a request, without its query. */
  readonly path?: string | undefined
}

/** A rule, ready to be asked. */
export interface Rule {
  /** Its destination, methods and paths. In new rules, the rule with the same ID continues its counts. */
  readonly id: string
  readonly action: "allow" | "deny" | "ask"
  readonly methods: ReadonlySet<string> | undefined
  readonly paths: ReadonlyArray<PathPattern> | undefined
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

/** Validated rules. */
export interface Policy {
  readonly entries: ReadonlyArray<Entry>
  /** If present, only destinations that are also on this list are allowed. */
  readonly only: ReadonlyArray<string> | undefined
  /** Private addresses that names may resolve to. */
  readonly ranges: ReadonlyArray<Range>
  /** Addresses that no name may resolve to. */
  readonly denied: ReadonlyArray<Range>
  /** Whether programs that use no proxy are led to the proxy by names. */
  readonly transparent: boolean
}

const invalid = (issue: string) => Effect.fail(new InvalidInput({ subject: "egress rules", issue }))

// Headers that frame a message or name its receiver. Only the proxy writes them.
const reserved =
  /^(?:host|content-length|transfer-encoding|connection|keep-alive|te|trailer|upgrade|expect|proxy-.*|:.*)$/
const headerName = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i
const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/

const isDestination = Schema.is(Destination)
const Count = Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0)))

/** A rule without its secrets, since a schema's errors repeat the refused value. */
const Shown = Schema.Struct({
  methods: Schema.optional(Schema.Array(Schema.String)),
  paths: Schema.optional(
    Schema.Array(
      Schema.String.pipe(
        Schema.check(
          Schema.isPattern(/^\/[^?#\s]*$/, {
            expected: "a path that begins with / and has no query",
          }),
        ),
      ),
    ),
  ),
  action: Schema.optional(Schema.Literals(["allow", "deny", "ask"])),
  maxRequests: Schema.optional(Count),
  maxBytes: Schema.optional(Count),
})
const decodeShown = Schema.decodeUnknownEffect(Shown)
const fields = new Set([...Object.keys(Shown.fields), "headers", "secrets"])

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The named secrets of a rule. Errors contain only the name. */
const secretsIn = Effect.fnUntraced(function* (
  destination: string,
  what: "header" | "secret",
  given: unknown,
  isName: (name: string) => boolean,
) {
  if (given !== undefined && !isObject(given)) {
    return yield* invalid(`the ${what}s of ${destination} must be an object of names and values`)
  }
  return yield* Effect.forEach(Object.entries(given ?? {}), ([name, value]) => {
    const text: unknown = Redacted.isRedacted(value) ? Redacted.value(value) : value
    if (!isName(name)) {
      return invalid(`the ${what} ${JSON.stringify(name)} of ${destination} can't be set`)
    }
    if (typeof text !== "string" || !/^[\t\x20-\x7e\x80-\xff]+$/.test(text)) {
      return invalid(
        `the value of the ${what} ${JSON.stringify(name)} of ${destination} must be non-empty text of characters that a header can have`,
      )
    }
    return Effect.succeed([name, Redacted.make(text)] as const)
  })
})

const patternOf = (path: string) => {
  const pattern = parsePattern(path)
  return pattern === undefined
    ? invalid(`the path ${path} has a percent sign that encodes nothing`)
    : Effect.succeed(pattern)
}

const ruleOf = Effect.fnUntraced(function* (
  destination: string,
  rule: unknown,
): Effect.fn.Return<Rule, InvalidInput> {
  if (!isObject(rule))
    return yield* invalid(`the rule of ${destination} must be an object, such as {}`)
  const unknown = Object.keys(rule).find((name) => !fields.has(name))
  if (unknown !== undefined) {
    return yield* invalid(
      `the rule of ${destination} has the unknown field ${unknown}; a rule can have ${[...fields].join(", ")}`,
    )
  }
  const { headers, secrets, ...shown } = rule
  const {
    methods,
    paths,
    action = "allow",
    maxRequests,
    maxBytes,
  } = yield* decodeShown(shown).pipe(Effect.mapError(invalidInput(`egress rules (${destination})`)))
  const isHeader = (name: string) => headerName.test(name) && !reserved.test(name.toLowerCase())
  const set = yield* secretsIn(destination, "header", headers, isHeader)
  return {
    id: [destination, methods ?? "*", paths ?? "**"].join(" "),
    action,
    methods: methods && new Set(methods.map((method) => method.toUpperCase())),
    paths: paths && (yield* Effect.forEach(paths, patternOf)),
    headers: set.map(([name, value]) => [name.toLowerCase(), value] as const),
    secrets: yield* secretsIn(destination, "secret", secrets, (name) => variableName.test(name)),
    maxRequests: maxRequests ?? Number.POSITIVE_INFINITY,
    maxBytes: maxBytes ?? Number.POSITIVE_INFINITY,
  }
})

const requireDestination = (text: unknown) =>
  text === "*" || isDestination(text)
    ? Effect.succeed(text)
    : invalid(
        `${JSON.stringify(text)} must be a lower-case domain name such as pypi.org, *.pythonhosted.org or registry.example.com:5000`,
      )

const entryOf = Effect.fnUntraced(function* (given: string, rules: unknown) {
  const destination = yield* requireDestination(given)
  const all: ReadonlyArray<unknown> = Array.isArray(rules) ? rules : [rules]
  const [first, ...others] = yield* Effect.forEach(all, (rule) => ruleOf(destination, rule))
  if (first === undefined) return yield* invalid(`${destination} must have at least one rule`)
  const entry: Entry = { ...parseDestination(destination), rules: [first, ...others] }
  return entry
})

const listOf = (
  name: string,
  given: unknown,
): Effect.Effect<ReadonlyArray<unknown>, InvalidInput> =>
  Array.isArray(given) ? Effect.succeed(given) : invalid(`${name} must be an array`)

const rangeOf = (text: unknown) => {
  const range = typeof text === "string" ? parseRange(text) : undefined
  return range === undefined
    ? invalid(`${JSON.stringify(text)} must be a range of addresses, such as 10.20.0.0/16`)
    : Effect.succeed(range)
}

const parts = new Set(["allow", "only", "allowAddresses", "denyAddresses", "transparent"])

/** Validates rules. */
export const parsePolicy = Effect.fnUntraced(function* (
  rules: EgressRules,
): Effect.fn.Return<Policy, InvalidInput> {
  const unknown = Object.keys(rules).find((name) => !parts.has(name))
  if (unknown !== undefined)
    return yield* invalid(`${unknown} is unknown; rules can have ${[...parts].join(", ")}`)
  const { allow, only, allowAddresses = [], denyAddresses = [] } = rules
  const transparent: unknown = rules.transparent ?? false
  if (typeof transparent !== "boolean") return yield* invalid("transparent must be true or false")
  if (!isObject(allow))
    return yield* invalid(
      'allow must be an object with a rule for each destination, such as { "pypi.org": {} }',
    )
  return {
    entries: yield* Effect.forEach(Object.entries(allow), ([to, rule]) => entryOf(to, rule)),
    only:
      only && (yield* Effect.forEach(yield* listOf("only", only), (to) => requireDestination(to))),
    ranges: yield* Effect.forEach(yield* listOf("allowAddresses", allowAddresses), rangeOf),
    denied: yield* Effect.forEach(yield* listOf("denyAddresses", denyAddresses), rangeOf),
    transparent,
  }
})

const weight = ({ domain, below, port }: Entry) =>
  domain.length * 4 + (below ? 0 : 2) + (port === undefined ? 0 : 1)

const covers = ({ domain, below, port: only }: Omit<Entry, "rules">, host: string, port: number) =>
  (below ? domain === "" || host.endsWith(`.${domain}`) : host === domain) &&
  (only === undefined ? port === 80 || port === 443 : port === only)

/** The rules of a destination; none if it is not on the list. */
export const rulesFor = (
  { entries, only }: Policy,
  host: string,
  port: number,
): ReadonlyArray<Rule> => {
  if (only?.some((to) => covers(parseDestination(to), host, port)) === false) return []
  const [best] = entries
    .filter((entry) => covers(entry, host, port))
    .sort((a, b) => weight(b) - weight(a))
  return best?.rules ?? []
}

/** Whether the content of a connection must be inspected to decide about it. */
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

/** The secrets that a rule may add to a request. */
export const secretsOf = ({ headers, secrets }: Rule): ReadonlyArray<Redacted.Redacted<string>> => [
  ...headers.map(([, value]) => value),
  ...secrets.map(([, value]) => value),
]

/** Whether the path of a request decides about it. */
export const dependOnPath = (rules: ReadonlyArray<Rule>): boolean =>
  // A program that is asked judges by the path.
  rules.some(({ paths, action }) => paths !== undefined || action === "ask")

/** Whether the method or the path of a request decides about it. */
export const dependOnRequest = (rules: ReadonlyArray<Rule>): boolean =>
  dependOnPath(rules) || rules.some(({ methods }) => methods !== undefined)

/** The rule that decides; none if no rule allows it. */
export const decide = (
  rules: ReadonlyArray<Rule>,
  { method = "", path = "" }: Pick<Subject, "method" | "path">,
): Rule | undefined => {
  if (dependOnPath(rules) && !isClear(path)) return undefined
  return rules.find(({ methods, paths, action }) => {
    // A server may read other spellings as the same path. `deny` and `ask` apply to all of them.
    const matches = action === "allow" ? matchesPath : mayMatchPath
    return (
      (methods === undefined || methods.has(method)) &&
      (paths === undefined || paths.some((pattern) => matches(pattern, path)))
    )
  })
}

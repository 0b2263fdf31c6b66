import type { Readable } from "node:stream"
import type { EgressAttempt } from "@cordon/core"
import { isOpen } from "./destinations.ts"
import {
  decide,
  isInspected,
  type Policy,
  type Rule,
  rulesFor,
  type Subject,
  secretsOf,
} from "./policy.ts"
import { within } from "./within.ts"

/** One attempt in progress. */
export interface Exchange {
  /** Counts bytes of content. The exchange is cut if there are too many. */
  readonly sent: (bytes: number) => void
  readonly received: (bytes: number) => void
  /** Counts bytes towards the rule's limit only: those of headers. */
  readonly charge: (bytes: number) => void
  /** Tells which address it goes to. New rules may close the address. */
  readonly connected: (address: string) => void
  /** Reports the outcome, once. */
  readonly close: (
    outcome: EgressAttempt["outcome"],
    more?: Pick<EgressAttempt, "reason" | "status">,
  ) => void
}

/** Counts the bytes of a stream as they pass. */
export const counted = (stream: Readable, count: Exchange["sent"]) =>
  stream.on("data", (bytes: Buffer) => void count(bytes.length))

/** Decides about a request. `false`, an error or no answer in time means no. */
export type Ask = (subject: Subject) => boolean | Promise<boolean>

export interface ExchangesOptions {
  readonly ask: Ask | undefined
  /** Milliseconds that a decision may take. */
  readonly patience: number
  readonly onAttempt: ((attempt: EgressAttempt) => void) | undefined
}

interface Live {
  readonly subject: Subject
  /** The rule whose limits hold. New rules replace it. */
  rule: Rule
  address: string | undefined
  readonly end: (reason: string) => void
}

/** A request that the rules allow. */
export interface Allowed {
  readonly rule: Rule
  /** Starts counting bytes. @param cut ends the exchange, because of changed rules or a limit */
  readonly begin: (cut: () => void) => Exchange
}

// For one sandbox: requests that are under way or wait for an answer of `ask`, and the characters
// of a path that an attempt keeps.
const mostUnderWay = 256
const mostOfPath = 1024

const nothing = { sent: 0, received: 0 }

const usedUp = ({ host }: Subject) => `what ${host} may be used for is used up`

/**
 * Decides about attempts by the current rules, counts their traffic, and ends exchanges that are no
 * longer allowed.
 */
export class Exchanges {
  #policy: Policy
  readonly #options: ExchangesOptions
  readonly #live = new Set<Live>()
  #underWay = 0
  readonly #used = new Map<string, { requests: number; bytes: number }>()

  constructor(policy: Policy, options: ExchangesOptions) {
    this.#policy = policy
    this.#options = options
  }

  rulesFor(host: string, port: number): ReadonlyArray<Rule> {
    return rulesFor(this.#policy, host, port)
  }

  /**
   * Decides about a request, and counts it.
   *
   * @param isPlain whether it is sent without TLS, so that no key may go with it
   * @returns the reason if it is refused
   */
  async judge(subject: Subject, isPlain = false): Promise<Allowed | string> {
    if (this.#underWay >= mostUnderWay) {
      return this.refused(subject, `${mostUnderWay} requests are under way at the same time`)
    }
    this.#underWay++
    const allowed = await this.#judge(subject, isPlain)
    if (typeof allowed === "string") this.#underWay--
    return allowed
  }

  async #judge(subject: Subject, isPlain: boolean): Promise<Allowed | string> {
    const at = new Date()
    const policy = this.#policy
    const rules = this.#rulesOf(subject)
    const rule = decide(rules, subject)
    const reason =
      this.#forbidden(rules, rule, subject, isPlain) ?? (await this.#notAllowed(rule, subject))
    if (rule === undefined || reason !== undefined) return this.refused(subject, reason ?? "", at)
    // Rules may have changed, and other requests may have been allowed, while `ask` was running.
    const newRules = this.#policy === policy ? rules : this.#rulesOf(subject)
    const now = newRules === rules ? rule : decide(newRules, subject)
    if (now?.id !== rule.id || now.action === "deny") return this.#judge(subject, isPlain)
    const late = this.#forbidden(newRules, now, subject, isPlain)
    if (late !== undefined) return this.refused(subject, late, at)
    this.#usedOf(now).requests++
    return { rule: now, begin: (cut) => this.#begin(now, subject, at, cut) }
  }

  /** Reports a refused attempt. @returns the reason */
  refused(subject: Subject, reason: string, at = new Date()): string {
    this.#tell({ ...subject, ...nothing, at, allowed: false, outcome: "refused", reason })
    return reason
  }

  /** Reports an attempt that failed before its first request. */
  failed(subject: Subject, reason: string): void {
    const at = new Date()
    this.#tell({ ...subject, ...nothing, at, allowed: true, outcome: "failed", reason })
  }

  /** Replaces the rules. Exchanges that the new rules do not allow are ended. */
  update(policy: Policy): void {
    this.#policy = policy
    for (const live of [...this.#live]) {
      const { subject } = live
      const rules = this.#rulesOf(subject)
      const rule = decide(rules, subject)
      const isUnseen = subject.method === undefined
      const mustBeSeen = isInspected(rules)
      const isForbidden = rule === undefined || rule.action === "deny" || !this.#isOpen(live)
      if (isForbidden || (isUnseen && mustBeSeen)) {
        live.end("the rules have changed")
      } else live.rule = rule
    }
  }

  /** Ends everything in progress, and allows nothing more. */
  close(): void {
    this.#policy = { entries: [], only: undefined, ranges: [], denied: [], transparent: false }
    for (const { end } of [...this.#live]) end("the way out is closed")
  }

  #rulesOf({ host, port }: Subject): ReadonlyArray<Rule> {
    return this.rulesFor(host, port)
  }

  #forbidden(
    rules: ReadonlyArray<Rule>,
    rule: Rule | undefined,
    subject: Subject,
    isPlain: boolean,
  ): string | undefined {
    const { host, port, method = "this", path = "" } = subject
    const shown = path.slice(0, mostOfPath)
    if (rules.length === 0) return `${host}:${port} is not on this sandbox's list of destinations`
    if (rule === undefined || rule.action === "deny")
      return `the rules of ${host} do not allow ${method} ${shown}`.trim()
    if (isPlain && secretsOf(rule).length > 0)
      return `${host} may be used by https only, since a key goes with it`
    return this.#isUsedUp(rule) ? usedUp(subject) : undefined
  }

  async #notAllowed(rule: Rule | undefined, subject: Subject): Promise<string | undefined> {
    if (rule?.action !== "ask") return undefined
    const { ask, patience } = this.#options
    if (ask === undefined) return `nobody is there to be asked about ${subject.host}`
    const asked = Promise.resolve().then(() => ask(subject))
    const yes = await within(
      patience,
      asked.catch(() => false),
    )
    return yes === true ? undefined : `the operator did not allow ${subject.host}`
  }

  #isOpen({ address }: Live): boolean {
    const { ranges, denied } = this.#policy
    return address === undefined || isOpen(address, ranges, denied)
  }

  #isUsedUp(rule: Rule): boolean {
    const { requests, bytes } = this.#usedOf(rule)
    return requests >= rule.maxRequests || bytes >= rule.maxBytes
  }

  #usedOf({ id }: Rule) {
    const used = this.#used.get(id) ?? { requests: 0, bytes: 0 }
    this.#used.set(id, used)
    return used
  }

  #begin(rule: Rule, subject: Subject, at: Date, cut: () => void): Exchange {
    let sent = 0
    let received = 0
    let isClosed = false
    const close: Exchange["close"] = (outcome, more = {}) => {
      if (isClosed) return
      isClosed = true
      this.#underWay--
      this.#live.delete(live)
      this.#tell({ ...subject, at, allowed: true, outcome, ...more, sent, received })
    }
    const end = (reason: string) => {
      close("ended", { reason })
      cut()
    }
    const live: Live = { subject, rule, address: undefined, end }
    this.#live.add(live)
    const count = (bytes: number) => {
      const used = this.#usedOf(live.rule)
      used.bytes += bytes
      if (used.bytes > live.rule.maxBytes) end(usedUp(subject))
    }
    return {
      sent: (bytes) => {
        sent += bytes
        count(bytes)
      },
      received: (bytes) => {
        received += bytes
        count(bytes)
      },
      charge: count,
      connected: (address) => {
        live.address = address
        if (!this.#isOpen(live)) end("the rules have changed")
      },
      close,
    }
  }

  #tell(attempt: EgressAttempt): void {
    try {
      const path = attempt.path?.slice(0, mostOfPath)
      this.#options.onAttempt?.({ ...attempt, path })
    } catch {
      // An error of a listener must not break the exchange.
    }
  }
}

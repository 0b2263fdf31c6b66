import type { EgressAttempt } from "@cordon/core"
import { decide, type Policy, type Rule, rulesFor, type Subject } from "./policy.ts"
import { within } from "./within.ts"

/** One attempt in progress. */
export interface Exchange {
  /** Counts bytes of content. The exchange is cut if there are too many. */
  readonly sent: (bytes: number) => void
  readonly received: (bytes: number) => void
  /** Reports the outcome, once. */
  readonly close: (
    outcome: EgressAttempt["outcome"],
    more?: Pick<EgressAttempt, "reason" | "status">,
  ) => void
}

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
  readonly end: (reason: string) => void
}

/** A request that the rules allow. */
export interface Allowed {
  readonly rule: Rule
  /** Starts counting. @param cut ends the exchange, because of changed rules or a limit */
  readonly begin: (cut: () => void) => Exchange
}

/**
 * Decides about attempts by the current rules, counts their traffic, and ends exchanges that are no
 * longer allowed.
 */
export class Exchanges {
  #policy: Policy
  readonly #options: ExchangesOptions
  readonly #live = new Set<Live>()
  readonly #used = new Map<string, { requests: number; bytes: number }>()

  constructor(policy: Policy, options: ExchangesOptions) {
    this.#policy = policy
    this.#options = options
  }

  rulesFor(host: string, port: number): ReadonlyArray<Rule> {
    return rulesFor(this.#policy, host, port)
  }

  /** Decides about a request. @returns the reason if it is refused */
  async judge(subject: Subject): Promise<Allowed | string> {
    const at = new Date()
    const policy = this.#policy
    const rules = this.rulesFor(subject.host, subject.port)
    const rule = decide(rules, subject)
    const reason =
      rules.length === 0
        ? `${subject.host}:${subject.port} is not on this sandbox's list of destinations`
        : rule === undefined || rule.action === "deny"
          ? `the rules of ${subject.host} do not allow ${subject.method ?? "this"} ${subject.path ?? ""}`.trim()
          : await this.#reasonOf(rule, subject)
    if (rule === undefined || reason !== undefined) {
      this.#tell({
        ...subject,
        at,
        allowed: false,
        outcome: "refused",
        reason: reason ?? "",
        sent: 0,
        received: 0,
      })
      return reason ?? ""
    }
    // The rules may have changed while `ask` was running.
    const now = this.#policy === policy ? rule : this.#ruleOf(subject)
    if (now?.id !== rule.id || now.action === "deny") return this.judge(subject)
    return { rule: now, begin: (cut) => this.#begin(now, subject, at, cut) }
  }

  /** Reports an attempt that failed before its first request. */
  failed(subject: Subject, reason: string): void {
    this.#tell({
      ...subject,
      at: new Date(),
      allowed: true,
      outcome: "failed",
      reason,
      sent: 0,
      received: 0,
    })
  }

  /** Replaces the rules. Exchanges that the new rules do not allow are ended. */
  update(policy: Policy): void {
    this.#policy = policy
    for (const { subject, end } of [...this.#live]) {
      const rule = this.#ruleOf(subject)
      if (rule === undefined || rule.action === "deny") end("the rules have changed")
    }
  }

  /** Ends everything in progress. */
  close(): void {
    for (const { end } of [...this.#live]) end("the way out is closed")
  }

  #ruleOf(subject: Subject): Rule | undefined {
    return decide(this.rulesFor(subject.host, subject.port), subject)
  }

  async #reasonOf(rule: Rule, subject: Subject): Promise<string | undefined> {
    const used = this.#usedOf(rule)
    if (used.requests >= rule.maxRequests || used.bytes >= rule.maxBytes) {
      return `what ${subject.host} may be used for is used up`
    }
    if (rule.action !== "ask") return undefined
    const { ask, patience } = this.#options
    if (ask === undefined) return `nobody is there to be asked about ${subject.host}`
    const asked = Promise.resolve().then(() => ask(subject))
    const yes = await within(
      patience,
      asked.catch(() => false),
    )
    return yes === true ? undefined : `the operator did not allow ${subject.host}`
  }

  #usedOf({ id }: Rule) {
    const used = this.#used.get(id) ?? { requests: 0, bytes: 0 }
    this.#used.set(id, used)
    return used
  }

  #begin(rule: Rule, subject: Subject, at: Date, cut: () => void): Exchange {
    const used = this.#usedOf(rule)
    used.requests++
    let sent = 0
    let received = 0
    let isClosed = false
    const close: Exchange["close"] = (outcome, more = {}) => {
      if (isClosed) return
      isClosed = true
      this.#live.delete(live)
      this.#tell({ ...subject, at, allowed: true, outcome, ...more, sent, received })
    }
    const end = (reason: string) => {
      close("ended", { reason })
      cut()
    }
    const live: Live = { subject, end }
    this.#live.add(live)
    const count = (bytes: number) => {
      used.bytes += bytes
      if (used.bytes > rule.maxBytes) end(`what ${subject.host} may be used for is used up`)
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
      close,
    }
  }

  #tell(attempt: EgressAttempt): void {
    try {
      this.#options.onAttempt?.(attempt)
    } catch {
      // An error of a listener must not break the exchange.
    }
  }
}
